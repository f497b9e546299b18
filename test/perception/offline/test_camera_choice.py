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
BENT = 'distortion_coefficients: {data: [-0.4, 0.1, 0, 0, 0]}\n'
PROJECTION = 'projection_matrix: {data: [400.0, 0, 310, 0, 0, 410.0, 230, 0, 0, 0, 1, 0]}\n'


def test_an_angle_is_a_centred_pinhole_and_says_it_was_assumed() -> None:
    choice = CameraChoice('75')
    assert choice(640, 480).camera == Camera.guess(640, 480, 75.0)
    assert 'assumed' in choice.note


def test_cityscapes_files_mean_the_picture_as_it_is(tmp_path) -> None:
    file = tmp_path / 'camera.json'
    file.write_text(json.dumps({'intrinsic': {'fx': 300, 'fy': 301, 'u0': 99, 'v0': 50}}))
    assert CameraChoice(str(file))(200, 100).camera == Camera(300, 301, 99, 50, 200, 100)
    assert CameraChoice(str(file)).note == ''


def test_driver_files_follow_the_size_of_the_picture(tmp_path) -> None:
    file = tmp_path / 'front.yaml'
    file.write_text(DRIVER)
    wanted, choice = Camera(500, 510, 320, 240, 640, 480), CameraChoice(str(file))
    assert choice(640, 480).camera == wanted
    assert choice(640, 480) is choice(640, 480)
    for size in ((320, 240), (321, 240)):  # the same shape within a pixel
        assert choice(*size).camera == wanted.resized(*size)
    for size in ((321, 480), (643, 480)):
        with pytest.raises(CameraError, match='another shape'):
            choice(*size)


@pytest.mark.parametrize(
    ('lens', 'wanted'),
    [
        ('raw', Camera(500, 510, 320, 240, 640, 480)),
        ('rectify', Camera(400, 410, 310, 230, 640, 480)),
        ('rectified', Camera(400, 410, 310, 230, 640, 480)),
    ],
)
@pytest.mark.parametrize('shrunk', [1, 2])
def test_the_projection_is_that_of_rectified_pictures_only(tmp_path, lens, wanted, shrunk) -> None:
    file = tmp_path / 'front.yaml'
    file.write_text(DRIVER + PROJECTION)
    width, height = 640 // shrunk, 480 // shrunk
    seen = CameraChoice(str(file), lens)(width, height)
    assert seen.camera == wanted.resized(width, height)
    assert (seen.rectifier is not None) == (lens == 'rectify')


def test_a_raw_picture_keeps_its_lens_and_the_note_says_what_that_costs(tmp_path) -> None:
    file = tmp_path / 'front.yml'
    file.write_text(DRIVER + BENT + 'rectification_matrix: {data: [0, 0, 1, 1, 0, 0, 0, 1, 0]}\n')
    choice = CameraChoice(str(file))
    assert choice(640, 480).d.tolist() == [-0.4, 0.1, 0, 0, 0]
    assert choice(640, 480).r.tolist() == [0, 0, 1, 1, 0, 0, 0, 1, 0]
    assert 'metres are off at the sides' in choice.note
    assert CameraChoice(str(file), 'rectify').note == ''


@pytest.mark.parametrize(
    ('lens', 'content', 'sentence'),
    [
        ('rectified', DRIVER, r'P\[0\] .* is 0'),
        ('rectify', DRIVER.replace('plumb_bob', 'kannala') + BENT, "'kannala' is not supported"),
        ('rectify', DRIVER.replace('plumb_bob', "''") + BENT, "'' is not supported"),
        ('rectify', DRIVER.replace('distortion_model', 'model') + BENT, "'' is not supported"),
        ('rectify', DRIVER + 'distortion_coefficients: {data: [0.1, 0.2]}\n', 'wants 4 or 5'),
        ('raw', DRIVER + 'projection_matrix: {data: [1.0]}\n', 'has 1 numbers, not 12'),
        ('rectify', None, '--lens rectify needs a ROS driver.s file, and 60 has no lens'),
    ],
)
def test_a_lens_that_cannot_be_read_is_refused_before_the_first_picture(
    tmp_path, lens, content, sentence
) -> None:
    file = tmp_path / 'front.yaml'
    file.write_text(content or '')
    with pytest.raises(OfflineError, match=sentence):
        CameraChoice(str(file) if content else '60', lens)


DRIVER_IN_JSON = '{"image_width": 4, "image_height": 3, "camera_matrix": %s}'


@pytest.mark.parametrize(
    ('content', 'sentence'),
    [
        ('{"other": 1}', 'neither'),
        ('{"intrinsic": {}}', 'incomplete'),
        ('{"intrinsic": {"fx": 1}}', 'incomplete'),
        ('{"intrinsic": {"fx": 0, "fy": 1, "u0": 1, "v0": 1}}', 'incomplete'),
        ('{"intrinsic": [1, 1, 1, 1]}', 'incomplete'),
        ('{', 'cannot be read'),
        ('[1, 2]', 'neither'),
        (
            DRIVER_IN_JSON % '[1, 2, 3]',
            r"camera_matrix is \[1, 2, 3\], wanted its numbers as 'data: ",
        ),
        (
            DRIVER_IN_JSON % '{"rows": 3}',
            "camera_matrix is {'rows': 3}, wanted its numbers as 'data: ",
        ),
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
