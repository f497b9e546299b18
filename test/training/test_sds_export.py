from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sds_perception.labels import TRAIN_ID
from sds_perception.release import read_release
from sds_training.class_bias import HEAD_BIAS
from sds_training.config import TrainingConfig
from sds_training.export import Which, config_of, export, main, student_weights, without_sky
from sds_training.run.run_state import newest_readable, read_state, saved_states
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


@pytest.mark.parametrize(('which', 'released'), [(None, 'teacher'), ('student', 'student')])
def test_a_release_is_of_the_network_and_the_state_asked_for(
    finished_run: TrainingConfig, tmp_path: Path, which: Which | None, released: str
) -> None:
    older, newest = saved_states(finished_run.run_dir)
    for file, step in ((None, 4), (older, 3)):
        output = tmp_path / f'{step}.safetensors'
        export(Path(finished_run.run_dir), output, which, file)
        release, state = read_release(output), read_state(file or newest)
        wanted = state['teacher'] if released == 'teacher' else student_weights(state['networks'])
        assert release.weights.keys() == wanted.keys()
        for name, each in release.weights.items():
            assert torch.equal(each, wanted[name].to(each.dtype)), name
        assert (release.provenance['network'], release.provenance['step']) == (released, step)


def test_a_release_tells_what_its_run_knew(finished_run: TrainingConfig, tmp_path: Path) -> None:
    export(Path(finished_run.run_dir), tmp_path / 'again.safetensors')
    again = read_release(tmp_path / 'again.safetensors')
    own = read_release(Path(finished_run.run_dir, 'release.safetensors'))
    assert (again.camera, again.depth_kind) == (own.camera, own.depth_kind)
    assert again.camera is not None and own.depth_kind == 'metric'
    assert again.brightness == own.brightness > 0
    assert own.provenance['scores'] and not again.provenance['scores']
    assert {**again.provenance, 'scores': own.provenance['scores']} == own.provenance
    assert own.provenance['depth_scale_source'] == 'vehicle speed'


def test_a_run_without_states_has_no_release(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), str(tmp_path / 'out.safetensors')]) == 2
    assert capsys.readouterr().err == f'sds-export: {tmp_path} holds no saved state of a run\n'


def test_what_never_says_sky_says_all_else_as_before_in_half_precision_too() -> None:
    weights = {HEAD_BIAS: torch.arange(19.0)}
    bias = without_sky(weights)[HEAD_BIAS]
    changed = (bias != weights[HEAD_BIAS]).nonzero().flatten().tolist()
    assert changed == [TRAIN_ID['sky']] and bias[changed[0]] < -1000
    assert bias.half().isfinite().all() and weights[HEAD_BIAS].tolist() == list(range(19))
