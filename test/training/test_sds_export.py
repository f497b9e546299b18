from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from sds_perception.release import read_release
from sds_training.config import TrainingConfig
from sds_training.export import config_of, main
from sds_training.run.run_state import newest_readable, saved_states
from sds_training.train import train

Make = Callable[..., TrainingConfig]


def test_a_file_that_is_there_already_is_never_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep = tmp_path / 'keep.safetensors'
    keep.write_bytes(b'dear')
    assert main([str(tmp_path / 'run'), str(keep)]) == 2
    assert f'{keep} exists already; the second path is the file' in capsys.readouterr().err
    assert keep.read_bytes() == b'dear'


def test_a_release_is_written_under_no_other_ending(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / 'state.pt'  # init_from would take it for a state
    assert main([str(tmp_path / 'run'), str(state)]) == 2
    assert f'{state}, wanted a release to write (.safetensors)' in capsys.readouterr().err


def test_what_lies_outside_sixteen_bits_may_stand_in_a_path(
    tiny_run: Make, tmp_path: Path, drive: Path
) -> None:
    root = tmp_path / 'Données 😀'
    root.symlink_to(drive)
    config = tiny_run(f'--data.root={root}', '--steps=1')
    train(config)
    assert config_of(newest_readable(config.run_dir)).data.root == str(root)


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
