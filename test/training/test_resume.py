from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sds_training.config import TrainingConfig
from sds_training.learner import DivergedError, Learner
from sds_training.objective import JointObjective
from sds_training.run_state import RunStateError, newest_state, read_state, saved_states
from sds_training.train import train

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
    state = newest_state(config)
    assert state is not None
    return {name: value for name, value in state.items() if name not in ('config', 'passport')}


def test_resuming_after_a_crash_equals_never_stopping(
    tiny_run: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tiny_run(run_dir=tmp_path / 'whole')
    train(whole)
    broken = tiny_run(run_dir=tmp_path / 'broken')
    advance = Learner.advance

    def crash(learner: Learner, batches: Any) -> Any:
        if learner.step == 2:
            raise MemoryError('the machine went away')
        return advance(learner, batches)

    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(Learner, 'advance', crash)
        train(broken)
    assert newest_state(broken)['step'] == 2
    train(broken)
    assert same(learnt(whole), learnt(broken))


def test_a_killed_run_continues_with_the_same_command(tiny_run: Make, tmp_path: Path) -> None:
    config = tiny_run('--steps=200', '--journal.evaluate_frames=1')
    command = [sys.executable, '-m', 'sds_training.train', str(tmp_path / 'tiny.yaml')]
    process = subprocess.Popen(
        [*command, '--steps=200'], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while len(saved_states(config.run_dir)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    state = newest_state(config)
    assert state is not None and 0 < state['step'] < 200


def test_of_two_processes_both_stop_when_one_is_asked_to(tiny_run: Make, tmp_path: Path) -> None:
    config = tiny_run('--steps=5000', '--fabric.devices=2', '--journal.save_every=5000')
    command = [sys.executable, '-m', 'sds_training.train', str(tmp_path / 'tiny.yaml')]
    words = ['--steps=5000', '--fabric.devices=2', '--journal.save_every=5000']
    process = subprocess.Popen([*command, *words], stderr=subprocess.PIPE, text=True)
    journal, deadline = Path(config.run_dir, 'journal.jsonl'), time.monotonic() + 120
    while not (journal.exists() and journal.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)  # to the first only, as a container's end does
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said[-2000:]
    state = newest_state(config)
    assert state is not None and 0 < state['step'] < 5000


def test_a_damaged_newest_state_falls_back_to_the_one_before(tiny_run: Make) -> None:
    config = tiny_run()
    train(config)
    older, newest = saved_states(config.run_dir)
    newest.write_bytes(newest.read_bytes()[:1000])
    assert newest_state(config)['step'] == read_state(older)['step'] == 3


def test_a_run_folder_of_another_config_is_refused_by_field(tiny_run: Make) -> None:
    train(tiny_run('--steps=1'))
    with pytest.raises(RunStateError, match=r'optimiser\.rate'):
        train(tiny_run('--steps=1', '--optimiser.rate=0.5'))


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
    assert newest_state(config)['step'] == 1
    assert not list(Path(config.run_dir, 'states').glob('*.partial'))


def test_a_loss_that_is_no_number_moves_nothing_and_finally_stops(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_run('--steps=40', '--journal.save_every=100')
    call = JointObjective.__call__
    before: dict[str, torch.Tensor] = {}

    def poisoned(objective: JointObjective, *arguments: Any) -> Any:
        losses, views = call(objective, *arguments)
        if not before:
            before.update({n: p.detach().clone() for n, p in arguments[1].named_parameters()})
        return losses._replace(total=losses.total * float('nan')), views

    monkeypatch.setattr(JointObjective, '__call__', poisoned)
    with pytest.raises(DivergedError, match='10 steps in a row'):
        train(config)
    state = newest_state(config)
    assert state is not None and state['skipped'] == 10
    after = state['networks']
    assert all(
        torch.equal(after[n.removeprefix('_forward_module.')], p) for n, p in before.items()
    )


def test_the_journal_drops_records_that_are_about_to_be_written_again(tiny_run: Make) -> None:
    config = tiny_run()
    train(config)
    journal = Path(config.run_dir, 'journal.jsonl')
    newest = saved_states(config.run_dir)[-1]
    os.remove(newest)
    train(config)
    steps = [json.loads(line)['step'] for line in journal.read_text().splitlines()]
    assert steps == [1, 2, 3, 4]
