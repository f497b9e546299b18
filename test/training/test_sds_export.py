from __future__ import annotations

import logging
from pathlib import Path

import pytest

from sds_perception.release import read_release
from sds_training.config import TrainingConfig
from sds_training.export import main
from sds_training.run.run_state import saved_states


def test_a_file_that_is_there_already_is_never_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep = tmp_path / 'keep.png'
    keep.write_bytes(b'dear')
    assert main([str(tmp_path / 'run'), str(keep)]) == 2
    assert f'{keep} exists already; the second path is the file' in capsys.readouterr().err
    assert keep.read_bytes() == b'dear'


def test_a_damaged_newest_state_leaves_the_one_before_to_be_exported(
    finished_run: TrainingConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    older, newest = saved_states(finished_run.run_dir)
    newest.write_bytes(newest.read_bytes()[:1000])
    output = tmp_path / 'exported.safetensors'
    with caplog.at_level(logging.WARNING):
        assert main([finished_run.run_dir, str(output)]) == 0
    assert read_release(output).provenance['step'] == 3
    assert f'taking the older {older.name} in its place' in caplog.text
