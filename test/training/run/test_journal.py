from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sds_training.run.journal import Journal


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
