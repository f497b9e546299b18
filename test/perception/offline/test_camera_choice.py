"""Cameras from files and angles."""

from __future__ import annotations

import json

import pytest

from sds_perception.camera import Camera, CameraError
from sds_perception.offline.camera_choice import CameraChoice
from sds_perception.offline.frames import OfflineError

DRIVER = """
image_width: 640
image_height: 480
camera_name: front
camera_matrix: {rows: 3, cols: 3, data: [500.0, 0, 320, 0, 510.0, 240, 0, 0, 1]}
distortion_model: plumb_bob
"""
PROJECTION = 'projection_matrix: {data: [400.0, 0, 310, 0, 0, 410.0, 230, 0, 0, 0, 1, 0]}\n'


def test_an_angle_is_a_centred_pinhole_and_says_it_was_assumed() -> None:
    choice = CameraChoice('75')
    assert choice(640, 480) == Camera.guess(640, 480, 75.0)
    assert 'assumed' in choice.note


def test_cityscapes_files_mean_the_picture_as_it_is(tmp_path) -> None:
    file = tmp_path / 'camera.json'
    file.write_text(json.dumps({'intrinsic': {'fx': 300, 'fy': 301, 'u0': 99, 'v0': 50}}))
    assert CameraChoice(str(file))(200, 100) == Camera(300, 301, 99, 50, 200, 100)
    assert CameraChoice(str(file)).note == ''


def test_driver_files_follow_the_size_of_the_picture(tmp_path) -> None:
    file = tmp_path / 'front.yaml'
    file.write_text(DRIVER)
    wanted = Camera(500, 510, 320, 240, 640, 480)
    assert CameraChoice(str(file))(640, 480) == wanted
    assert CameraChoice(str(file))(320, 240) == wanted.resized(320, 240)
    with pytest.raises(CameraError, match='another shape'):
        CameraChoice(str(file))(640, 240)


def test_the_rectified_projection_wins(tmp_path) -> None:
    file = tmp_path / 'front.yaml'
    file.write_text(DRIVER + PROJECTION)
    assert CameraChoice(str(file))(640, 480) == Camera(400, 410, 310, 230, 640, 480)


@pytest.mark.parametrize(
    ('content', 'sentence'),
    [
        ('{"other": 1}', 'neither'),
        ('{"intrinsic": {}}', 'incomplete'),
        ('{"intrinsic": {"fx": 1}}', 'incomplete'),
        ('{', 'cannot be read'),
        ('[1, 2]', 'neither'),
    ],
)
def test_files_that_hold_no_camera_are_refused(content, sentence, tmp_path) -> None:
    file = tmp_path / 'camera.json'
    file.write_text(content)
    with pytest.raises(OfflineError, match=sentence):
        CameraChoice(str(file))


@pytest.mark.parametrize('text', ['0', '179', '-60', 'nan', 'nowhere.json'])
def test_angles_and_names_of_nothing_are_refused(text) -> None:
    with pytest.raises(OfflineError):
        CameraChoice(text)
