from __future__ import annotations

import json
import logging
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.precision import MixedPrecision

from sds_training.config import TrainingConfig
from sds_training.data.cityscapes import DataError
from sds_training.data.clips import training_pools
from sds_training.data.loading import StepBatches
from sds_training.data.samples import Batch
from sds_training.learner import DivergedError, Learner
from sds_training.objective import JointObjective
from sds_training.run.folder_lock import held
from sds_training.run.run_state import RunStateError, newest_readable, read_state, saved_states
from sds_training.train import main, train

Make = Callable[..., TrainingConfig]


def same(first: Any, second: Any) -> bool:
    """Whether two nests of states are equal bit for bit."""
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


def learnt(config: TrainingConfig) -> dict[str, Any]:
    """The newest state without what may differ between two equal runs."""
    state = newest_readable(config.run_dir)
    assert state is not None
    return {name: value for name, value in state.items() if name not in ('config', 'passport')}


def test_resuming_after_a_crash_equals_never_stopping(
    tiny_run: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tiny_run('--teacher.debias=0.5', run_dir=tmp_path / 'whole')
    train(whole)
    broken = tiny_run('--teacher.debias=0.5', run_dir=tmp_path / 'broken')
    advance = Learner.advance

    def crash(learner: Learner, batches: Any) -> Any:
        if learner.step == 2:
            raise MemoryError('the machine went away')
        return advance(learner, batches)

    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(Learner, 'advance', crash)
        train(broken)
    assert newest_readable(broken.run_dir)['step'] == 2
    train(broken)
    assert same(learnt(whole), learnt(broken))


def test_a_bad_file_in_mid_run_loses_no_step_before_it(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, to = tiny_run('--journal.save_every=100'), Batch.to
    left = [2]

    def unreadable(batch: Batch, device: Any) -> Batch:
        left[0] -= 1
        if left[0] < 0:
            raise DataError('the third batch cannot be read')
        return to(batch, device)

    with monkeypatch.context() as patch, pytest.raises(DataError, match='third'):
        patch.setattr(Batch, 'to', unreadable)
        train(config)
    assert newest_readable(config.run_dir)['step'] == 2


def test_a_killed_run_continues_with_the_same_command(
    tiny_run: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = ['--steps=15', '--journal.print_every=100', '--journal.picture_every=100']
    config = tiny_run(*words)
    words = [str(tmp_path / 'tiny.yaml'), *words]
    command = [sys.executable, '-m', 'sds_training.train', *words]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(saved_states(config.run_dir)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    state = newest_readable(config.run_dir)
    assert state is not None and 0 < state['step'] < 15
    with caplog.at_level(logging.INFO):
        assert main(words) == 0
    assert f'after step {state["step"]}' in caplog.text
    assert newest_readable(config.run_dir)['step'] == 15


def test_of_two_processes_both_stop_when_one_is_asked_to(tiny_run: Make, tmp_path: Path) -> None:
    words = ['--steps=5000', '--fabric.devices=2', '--journal.save_every=5000']
    words += ['--teacher.debias=0.5']
    config = tiny_run(*words)
    command = [sys.executable, '-m', 'sds_training.train', str(tmp_path / 'tiny.yaml')]
    process = subprocess.Popen([*command, *words], stderr=subprocess.PIPE, text=True)
    journal, deadline = Path(config.run_dir, 'journal.jsonl'), time.monotonic() + 120
    while not (journal.exists() and journal.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)  # to the first only, as a container's end does
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said[-2000:]
    state = newest_readable(config.run_dir)
    assert state is not None and 0 < state['step'] < 5000


def test_a_damaged_newest_readable_falls_back_to_the_one_before(
    finished_run: TrainingConfig,
) -> None:
    older, newest = saved_states(finished_run.run_dir)
    newest.write_bytes(newest.read_bytes()[:1000])
    assert newest_readable(finished_run.run_dir)['step'] == read_state(older)['step'] == 3


def test_a_run_folder_of_another_config_is_refused_by_field(tiny_run: Make) -> None:
    train(tiny_run('--steps=1'))
    with pytest.raises(RunStateError, match=r'optimiser\.rate'):
        train(tiny_run('--steps=1', '--optimiser.rate=0.5'))


def test_a_second_process_is_refused_and_changes_nothing(tiny_run: Make) -> None:
    config = tiny_run('--steps=1')
    train(config)
    run_dir = Path(config.run_dir)
    before = {each: each.stat().st_mtime_ns for each in run_dir.rglob('*')}
    refusal = RunStateError(f'another process is writing the run {run_dir}')
    with held(run_dir, refusal), pytest.raises(RunStateError, match='another process is writing'):
        train(config)
    assert {each: each.stat().st_mtime_ns for each in run_dir.rglob('*')} == before
    train(config)


def test_a_state_that_is_damaged_is_told_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / 'step_00000001.pt'
    file.write_bytes(b'no zip')
    with pytest.raises(RunStateError, match=f'^state {file} is damaged or no state of a run$'):
        read_state(file)


def test_a_run_whose_frames_changed_is_refused_by_what_changed(
    tiny_run: Make, drive: Path, tmp_path: Path
) -> None:
    root = tmp_path / 'drive'
    shutil.copytree(drive, root)
    words = (f'--data.root={root}', '--steps=2')
    train(tiny_run(*words))
    for path in root.glob('leftImg8bit_sequence/train/ulm/*_000018_*'):
        path.unlink()
    with pytest.raises(RunStateError, match=r'other data \(data.pool, data.pool_sha256 changed'):
        train(tiny_run(*words))


def test_a_full_disk_loses_nothing_already_saved(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_run('--steps=2')
    save, saved = torch.save, []

    def fill(*arguments: Any, **options: Any) -> None:
        if saved:
            raise OSError(28, 'No space left on device')
        saved.append(save(*arguments, **options))

    with monkeypatch.context() as patch, pytest.raises(RunStateError, match='No space left'):
        patch.setattr(torch, 'save', fill)
        train(config)
    assert newest_readable(config.run_dir)['step'] == 1
    assert not list(Path(config.run_dir, 'states').glob('*.partial'))


def test_a_loss_that_is_no_number_moves_nothing_and_finally_stops(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_run('--steps=40', '--journal.save_every=100')
    call = JointObjective.__call__
    before: dict[str, torch.Tensor] = {}

    def poisoned(objective: JointObjective, *arguments: Any) -> Any:
        if not before:
            before.update({n: each.clone() for n, each in arguments[1].state_dict().items()})
        losses, views = call(objective, *arguments)
        return losses._replace(total=losses.total * float('nan')), views

    monkeypatch.setattr(JointObjective, '__call__', poisoned)
    with pytest.raises(DivergedError, match='10 steps in a row'):
        train(config)
    state = newest_readable(config.run_dir)
    assert state is not None and state['skipped'] == 10
    assert any(name.endswith('running_var') for name in before)  # statistics count as well
    assert same(
        state['networks'], {n.removeprefix('_forward_module.'): p for n, p in before.items()}
    )


def test_a_depth_that_is_no_number_does_not_end_the_process(tiny_run: Make) -> None:
    """grid_sample's gradient at a place that is no number is a segmentation fault on a CPU."""
    words = ['--optimiser.kind=sgd', '--optimiser.rate=1e20', '--optimiser.encoder_rate=1e20']
    with pytest.raises(DivergedError):
        train(tiny_run('--steps=40', '--journal.save_every=100', *words))


def with_scaler(tiny_run: Make) -> tuple[Learner, torch.amp.GradScaler]:
    """A learner in 16-mixed, which a CPU allows where the scaler is handed in."""
    config = tiny_run('--fabric.precision=16-mixed', '--teacher.start_step=100')
    scaler = torch.amp.GradScaler('cpu')
    fabric = Fabric(
        accelerator='cpu', devices=1, plugins=MixedPrecision('16-mixed', 'cpu', scaler)
    )
    fabric.launch()
    return Learner(config, fabric, 50.0), scaler


def test_a_skipped_step_leaves_the_gradient_scaler_usable(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner, _ = with_scaler(tiny_run)
    data = learner.config.data
    steps = StepBatches(data, training_pools(data), 0).between(0, 2)
    call = learner.objective.__call__

    def poisoned(*arguments: Any) -> Any:
        losses, views = call(*arguments)
        return losses._replace(total=losses.total * math.inf), views

    with monkeypatch.context() as patch:
        patch.setattr(learner, 'objective', poisoned)
        learner.advance([next(steps)])
    assert learner.skipped == 1
    learner.advance([next(steps)])
    assert learner.skipped == 1


def test_a_gradient_that_is_no_number_is_counted_with_a_scaler_too(tiny_run: Make) -> None:
    learner, scaler = with_scaler(tiny_run)
    learner.student.semantic_head.score.weight.register_hook(lambda each: each * math.nan)
    data = learner.config.data
    steps = StepBatches(data, training_pools(data), 0).between(0, 10)
    before = {name: each.clone() for name, each in learner.bare.state_dict().items()}
    scale = scaler.get_scale()
    with pytest.raises(DivergedError, match='10 steps in a row'):
        for _ in range(10):
            learner.advance([next(steps)])
    assert learner.skipped == 10 and scaler.get_scale() < scale
    assert same(learner.bare.state_dict(), before)  # statistics count as well


def test_a_term_that_one_of_several_batches_lacks_is_told_of_the_others(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, told = JointObjective.__call__, []

    def without_some(objective: JointObjective, *arguments: Any) -> Any:
        losses, views = call(objective, *arguments)
        told.append(losses.terms['photometric'])
        if len(told) % 2:
            del losses.terms['photometric']
        return losses, views

    monkeypatch.setattr(JointObjective, '__call__', without_some)
    config = tiny_run('--steps=1', '--fabric.accumulate=2', '--journal.print_every=1')
    train(config)
    record = json.loads(Path(config.run_dir, 'journal.jsonl').read_text().splitlines()[0])
    assert record['photometric'] == pytest.approx(float(told[1]), rel=1e-3)


def test_the_journal_drops_records_that_are_about_to_be_written_again(
    finished_run: TrainingConfig,
) -> None:
    journal = Path(finished_run.run_dir, 'journal.jsonl')
    newest = saved_states(finished_run.run_dir)[-1]
    os.remove(newest)
    train(finished_run)
    steps = [json.loads(line)['step'] for line in journal.read_text().splitlines()]
    assert steps == [1, 2, 3, 4]


def test_a_run_goes_on_where_its_init_from_is_spelled_otherwise_or_is_gone(
    tiny_run: Make, tmp_path: Path
) -> None:
    start = tiny_run('--steps=1', run_dir=tmp_path / 'start')
    named, moved = train(start), tmp_path / 'moved.safetensors'
    words = '--steps=2', '--journal.save_every=1'
    train(tiny_run(f'--init_from={named}', *words))
    shutil.move(named, moved)
    for name in (named, moved):
        train(tiny_run(f'--init_from={name}', *words))


def test_a_run_does_not_go_on_from_other_networks_than_it_began_with(
    tiny_run: Make, tmp_path: Path
) -> None:
    one, other = (
        train(tiny_run('--steps=1', f'--seed={seed}', run_dir=tmp_path / f'start{seed}'))
        for seed in (1, 2)
    )
    train(tiny_run(f'--init_from={one}', '--steps=1'))
    for name in (other, tmp_path / 'nothing.safetensors'):
        with pytest.raises(RunStateError, match=r'holds a run with another config \(init_from\)'):
            train(tiny_run(f'--init_from={name}', '--steps=1'))
