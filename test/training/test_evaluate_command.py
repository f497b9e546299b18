"""What sds-evaluate was told is what it scores by, and its record says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sds_perception.camera import Camera
from sds_perception.perceiver import Perceiver
from sds_perception.release import Release, write_release
from sds_training.data.config import DataConfig
from sds_training.data.validation import validation_frames
from sds_training.evaluate import evaluate, main

Evaluated = Callable[..., dict[str, Any]]


@pytest.fixture
def release_file(tmp_path: Path, metric_release: Release) -> Path:
    write_release(tmp_path / 'tiny.safetensors', metric_release)
    return tmp_path / 'tiny.safetensors'


@pytest.fixture
def evaluated(release_file: Path, drive: Path, tmp_path: Path) -> Evaluated:
    """What the command writes of the drive's one labelled validation frame."""

    def make(*words: str) -> dict[str, Any]:
        output = ('--output', str(tmp_path / 'out'))
        assert main([str(release_file), str(drive), *output, *words]) == 0
        return json.loads((tmp_path / 'out/scores.json').read_text())

    return make


def test_a_frame_is_seen_through_the_camera_it_was_taken_with(
    metric_release: Release, drive: Path
) -> None:
    seen = []
    frames = validation_frames(DataConfig(root=str(drive)))
    perceiver = Perceiver.from_release(metric_release)
    evaluate(perceiver, frames, on_frame=lambda _, judged: seen.append(judged.scene))
    (scene,) = seen
    assert scene.camera == Camera(90.0, 90.0, 47.5, 31.5, 96, 64) and scene.depth_kind == 'metric'


def test_depth_is_scored_by_the_protocol_asked_for(evaluated: Evaluated) -> None:
    assert evaluated()['depth_protocol'].startswith('cityscapes: rows 0.25')
    assert evaluated('--depth-protocol', 'full')['depth_protocol'].startswith('full: rows 0 to 1')


def test_scores_tell_of_which_release_they_are(
    evaluated: Evaluated, metric_release: Release
) -> None:
    scores = evaluated()
    assert scores['provenance'] == metric_release.provenance and scores['trained']


@pytest.mark.parametrize(('pictures', 'shown'), [(0, 0), (3, 1)])
def test_the_page_shows_as_many_frames_as_asked_for(
    evaluated: Evaluated, tmp_path: Path, pictures: int, shown: int
) -> None:
    evaluated('--pictures', str(pictures))
    assert (tmp_path / 'out/report.html').read_text().count('alt="input"') == shown


@pytest.mark.parametrize(
    ('fold', 'told'),
    [
        ('tram: car', "fold names 'tram'; the classes are"),
        ('wall: 4', 'must map class names to class names, like "wall: fence"'),
        ('[wall, fence]', 'must map class names to class names, like "wall: fence"'),
    ],
)
def test_a_fold_of_what_are_no_classes_is_refused_in_a_sentence(
    release_file: Path, drive: Path, tmp_path: Path, capsys: pytest.CaptureFixture,
    fold: str, told: str,
) -> None:  # fmt: skip
    file = tmp_path / 'fold.yaml'
    file.write_text(fold)
    words = ['--fold', str(file), '--output', str(tmp_path / 'out')]
    assert main([str(release_file), str(drive), *words]) == 2
    said = capsys.readouterr().err
    assert told in said and said.count('\n') == 1
