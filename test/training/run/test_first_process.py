"""What the first process of several does alone, and what the others make of its failures."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sds_training.run.first_process import FirstProcessError, by_first_alone
from sds_training.run.folder_lock import held
from sds_training.run.run_state import RunStateError, save_state


def fabric(first: bool, broadcast: Callable[[int], int]) -> Any:
    """As much of Fabric as is asked for, in the first process or another one."""
    strategy = SimpleNamespace(save_checkpoint=lambda path, state: torch.save(state, path))
    return SimpleNamespace(is_global_zero=first, broadcast=broadcast, strategy=strategy)


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


def test_a_refusal_of_the_first_is_told_once_and_without_tracebacks(
    tiny_run: Callable, tmp_path: Path
) -> None:
    config = tiny_run()
    run_dir = Path(config.run_dir)
    run_dir.mkdir()
    words = [str(tmp_path / 'tiny.yaml'), '--fabric.devices=2']
    with held(run_dir, RunStateError('held twice')):
        ended = subprocess.run(
            [sys.executable, '-m', 'sds_training.train', *words],
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert ended.returncode == 2
    assert ended.stderr.count('another process is writing the run') == 1
    assert 'Traceback' not in ended.stderr
