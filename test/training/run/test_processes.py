"""What the first process of several does alone, and what the others make of its failures."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sds_training.run.folder_lock import held
from sds_training.run.processes import FirstProcessError, by_first_alone, same_in_all
from sds_training.run.run_state import RunStateError, newest_readable, save_state
from sds_training.train import require_one_folder


def fabric(first: bool, broadcast: Callable[[int], int]) -> Any:
    """As much of Fabric as is asked for, in the first process or another one."""
    strategy = SimpleNamespace(save_checkpoint=lambda path, state: torch.save(state, path))
    return SimpleNamespace(is_global_zero=first, broadcast=broadcast, strategy=strategy)


def train_in_processes(*words: object) -> subprocess.CompletedProcess[str]:
    """`sds-train` with these words, to its end."""
    command = [sys.executable, '-m', 'sds_training.train', *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_every_process_leaves_the_others_before_its_interpreter_ends(
    tiny_run: Callable, tmp_path: Path
) -> None:
    """Else a thread of gloo ends it with SIGABRT, now and then."""
    tiny_run()
    (tmp_path / 'train.py').write_text(
        'import atexit, sys, torch.distributed as group\n'
        'from sds_training.train import main\n'
        "atexit.register(lambda: print('left' if not group.is_initialized() else 'stayed'))\n"
        'sys.exit(main())\n'
    )
    words = [tmp_path / 'tiny.yaml', '--fabric.devices=2', f'--data.root={tmp_path / "nowhere"}']
    command = [sys.executable, *map(str, (tmp_path / 'train.py', *words))]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, sorted(ended.stdout.split())) == (2, ['left', 'left'])


@pytest.mark.parametrize(('problem', 'code'), [
    (RunStateError('no'), 2), (KeyboardInterrupt(), 130), (MemoryError(), 2),
])  # fmt: skip
def test_the_others_hear_of_every_failure_and_leave_with_its_code(
    problem: BaseException, code: int
) -> None:
    heard: list[int] = []

    def fail() -> None:
        raise problem

    with pytest.raises(type(problem)):
        by_first_alone(fabric(True, lambda ours: heard.append(ours) or ours), fail)
    assert heard == [code]
    with pytest.raises(FirstProcessError) as left:
        by_first_alone(fabric(False, lambda ours: code), fail)
    assert left.value.code == code


def test_no_process_goes_on_before_a_state_is_in_place(tiny_run: Callable) -> None:
    config, seen = tiny_run(), []
    states = Path(config.run_dir, 'states')

    def broadcast(code: int) -> int:
        seen.extend(each.name for each in states.iterdir())
        return code

    save_state(fabric(True, broadcast), config, {'step': 3}, {})
    assert seen == ['step_00000003.pt']


def test_states_of_different_steps_are_refused_and_equal_ones_not() -> None:
    second_of_two: Any = SimpleNamespace(
        world_size=2,
        device='cpu',
        global_rank=1,
        broadcast=lambda ours: 3,  # what the first found, on a machine of its own
        all_reduce=lambda ours, reduce_op: ours,  # the first agrees with itself
    )
    assert not same_in_all(second_of_two, 0)
    assert same_in_all(second_of_two, 3)
    learner: Any = SimpleNamespace(
        fabric=second_of_two,
        step=0,
        config=SimpleNamespace(run_dir='runs/a'),
    )
    with pytest.raises(RunStateError, match='runs/a stands at step 0 for process 1.*one folder'):
        require_one_folder(learner)


def test_a_picture_that_one_process_cannot_read_ends_both_and_is_told_once(
    tiny_run: Callable, tmp_path: Path, drive: Path
) -> None:
    root = tmp_path / 'own'
    shutil.copytree(drive, root)
    words = [f'--data.root={root}', '--fabric.devices=2', '--steps=50']
    words += ['--data.extra_unlabelled=all']  # of which some lack a neighbour
    config = tiny_run(*words, '--journal.save_every=1000')
    spoilt = sorted((root / 'leftImg8bit_sequence/train').rglob('*_000021_*.png'))[0]
    spoilt.write_bytes(spoilt.read_bytes()[:200])
    ended = train_in_processes(tmp_path / 'tiny.yaml', *words, '--journal.save_every=1000')
    assert ended.returncode == 2, ended.stderr[-2000:]
    assert ended.stderr.count(f'sds-train: {spoilt}') == 1
    assert ended.stderr.count('frames that data.extra_unlabelled asks for') == 1
    assert 'Traceback' not in ended.stderr
    assert newest_readable(config.run_dir)['step'] < 50  # both were there to save what was done


def test_a_refusal_of_the_first_is_told_once_and_without_tracebacks(
    tiny_run: Callable, tmp_path: Path
) -> None:
    config = tiny_run()
    run_dir = Path(config.run_dir)
    run_dir.mkdir()
    words = [tmp_path / 'tiny.yaml', '--fabric.devices=2']
    with held(run_dir, RunStateError('held twice')):
        ended = train_in_processes(*words)
    assert ended.returncode == 2
    assert ended.stderr.count('another process is writing the run') == 1
    assert 'Traceback' not in ended.stderr


def test_data_that_are_not_there_are_told_once_and_without_tracebacks(
    tiny_run: Callable, tmp_path: Path
) -> None:
    tiny_run()
    words = ['--fabric.devices=2', f'--data.root={tmp_path / "nowhere"}']
    ended = train_in_processes(tmp_path / 'tiny.yaml', *words)
    assert ended.returncode == 2
    assert ended.stderr.count('nowhere') == 1, ended.stderr
    assert 'Traceback' not in ended.stderr
