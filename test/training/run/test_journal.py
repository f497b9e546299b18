from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sds_training.config import TrainingConfig
from sds_training.run.journal import Journal
from sds_training.run.run_state import RunStateError
from sds_training.train import train


@pytest.mark.parametrize('terminal', [False, True])
def test_people_are_told_on_stderr_alone(
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    terminal: bool,
) -> None:
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: terminal)
    journal = Journal(tmp_path, 0, 4)
    journal.record(2, 'evaluate', {'mean_iou': 0.25})
    journal.close()
    told = capsys.readouterr()
    assert 'mean_iou 0.25' in told.err and not told.out


def test_a_disk_that_is_full_for_the_journal_is_told_in_a_sentence(
    tiny_run: Callable[..., TrainingConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, 'No space left on device')

    config = tiny_run('--journal.picture_every=1')
    monkeypatch.setattr(Path, 'write_bytes', fill)
    with pytest.raises(RunStateError, match='cannot be written any more.*No space left'):
        train(config)
