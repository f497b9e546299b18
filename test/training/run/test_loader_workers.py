"""Laws of the processes that load: a stop is the loop's to hear, and a loss is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sds_training.config import TrainingConfig
from sds_training.data.cityscapes import DataError
from sds_training.data.loader_workers import lost_workers_told
from sds_training.run.run_state import newest_readable


@pytest.mark.parametrize('lost', [False, True])
def test_a_stop_sent_to_the_loaders_as_well_costs_no_step_and_a_lost_loader_is_told(
    tiny_run: Callable[..., TrainingConfig], tmp_path: Path, lost: bool
) -> None:
    words = ['--steps=5000', '--data.workers=1', '--journal.save_every=2']
    config = tiny_run(*words)
    command = [sys.executable, '-m', 'sds_training.train', str(tmp_path / 'tiny.yaml'), *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, process_group=0)
    deadline = time.monotonic() + 120
    while newest_readable(config.run_dir) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    if lost:
        os.kill(loader_of(process.pid), signal.SIGKILL)
    else:
        os.killpg(process.pid, signal.SIGTERM)  # as a scheduler does
    _, said = process.communicate(timeout=60)
    assert process.returncode == (2 if lost else 130), said[-2000:]
    assert ('a process that loads batches was ended from outside' in said) == lost
    assert 'Traceback' not in said


def loader_of(parent: int) -> int:
    """The one child of a process that is a loader: what it was started with is its parent's."""
    children = Path(f'/proc/{parent}/task/{parent}/children').read_text().split()
    same = Path(f'/proc/{parent}/cmdline').read_bytes()
    (loader,) = (each for each in children if Path(f'/proc/{each}/cmdline').read_bytes() == same)
    return int(loader)


@pytest.mark.parametrize('problem', [ConnectionResetError(104, 'reset by peer'), EOFError()])
def test_a_loader_lost_as_it_hands_a_batch_over_is_told_too(problem: Exception) -> None:
    told = 'a process that loads batches was ended from outside'
    with pytest.raises(DataError, match=told), lost_workers_told():
        raise problem


def test_what_no_loader_has_to_do_with_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match='another'), lost_workers_told():
        raise RuntimeError('another matter')
