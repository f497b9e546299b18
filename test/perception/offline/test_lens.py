"""One calibration means one thing, whichever way it comes with the pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from sds_perception.calibration import INTERPRETATIONS, Calibration
from sds_perception.camera import Camera
from sds_perception.offline.bag_source import BagSource
from sds_perception.offline.bag_writer import write_bag
from sds_perception.offline.camera_choice import CameraChoice
from sds_perception.offline.cli import main as perceive
from sds_perception.offline.frames import Frame, OfflineError
from sds_perception.offline.make_bag import main as make_bag
from sds_perception.offline.pictures import PictureFiles
from sds_perception.offline.samples import user_frames

DRIVER = """
image_width: 80
image_height: 48
camera_matrix: {rows: 3, cols: 3, data: [60.0, 0, 40, 0, 62.0, 24, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [-0.4, 0.1, 0, 0, 0]}
rectification_matrix: {rows: 3, cols: 3, data: [1.0, 0, 0, 0, 1, 0, 0, 0, 1]}
projection_matrix: {rows: 3, cols: 4, data: [44.0, 0, 39, 0, 0, 45.0, 23, 0, 0, 0, 1, 0]}
"""
LENS = Calibration(
    Camera(60.0, 62.0, 40.0, 24.0, 80, 48),
    'plumb_bob',
    np.array([-0.4, 0.1, 0, 0, 0]),
    np.eye(3).reshape(-1),
    np.array([[44.0, 0, 39, 0], [0, 45, 23, 0], [0, 0, 1, 0]]),
)


@pytest.fixture
def bent(frames: list[Frame], tmp_path: Path) -> Path:
    write_bag(tmp_path / 'bent', [replace(each, calibration=LENS) for each in frames])
    return tmp_path / 'bent'


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / 'front.yaml').write_text(DRIVER)
    return str(tmp_path / 'front.yaml')


def same(one: Frame, other: Frame) -> bool:
    mine, others = one.calibration, other.calibration
    numbers = all(np.array_equal(getattr(mine, n), getattr(others, n)) for n in ('d', 'r', 'p'))
    return mine.camera == others.camera and numbers and np.array_equal(one.rgb, other.rgb)


@pytest.mark.parametrize('lens', INTERPRETATIONS)
def test_a_folder_with_its_calibration_file_is_the_bag_with_its_camera_info(
    lens, bent, file, folder
) -> None:
    by_info = list(BagSource(bent, lens=lens).frames())
    by_file = list(PictureFiles(folder, CameraChoice(file, lens)).frames())
    instead = list(BagSource(bent, choice=CameraChoice(file, lens)).frames())
    for one, *others in zip(by_info, by_file, instead, strict=True):
        assert all(same(one, other) for other in others)


def test_rectified_pictures_have_the_projection_and_no_lens(bent, frames) -> None:
    read = next(BagSource(bent, lens='rectified').frames())
    assert read.calibration.camera == Camera(44, 45, 39, 23, 80, 48)
    assert not read.calibration.d.any()
    np.testing.assert_array_equal(read.rgb, frames[0].rgb)


def test_a_lens_left_in_the_pictures_of_a_bag_is_told(bent, bag) -> None:
    assert 'metres are off at the sides' in BagSource(bent).note
    assert BagSource(bent, lens='rectify').note == BagSource(bag).note == ''


def test_a_bag_made_of_raw_pictures_says_how_their_lens_bends(folder, file, tmp_path) -> None:
    arguments = [str(folder), '--camera', file, '--output', str(tmp_path / 'made')]
    assert make_bag(arguments) == 0
    made = next(BagSource(tmp_path / 'made').frames()).calibration
    assert made.d.tolist() == [-0.4, 0.1, 0, 0, 0]
    np.testing.assert_array_equal(made.p, LENS.p)


def test_nothing_is_seen_where_the_rectified_picture_is_empty(bent, tmp_path) -> None:
    arguments = [
        '--untrained',
        'tiny',
        '--input-size',
        '64x32',
        '--device',
        'cpu',
        '--no-pictures',
    ]
    arguments += ['--write', 'files', '--scale', 'fixed:2', '--output', str(tmp_path / 'seen')]
    assert perceive([str(bent), '--lens', 'rectify', *arguments]) == 0
    outside = next(BagSource(bent, lens='rectify').frames()).calibration.rectifier.outside
    assert 0.02 < outside.mean() < 0.9
    labels, confidence = (
        cv2.imread(str(tmp_path / 'seen' / product / '000000.png'), cv2.IMREAD_UNCHANGED)
        for product in ('labels', 'confidence')
    )
    depth_m = np.load(tmp_path / 'seen' / 'depth_m' / '000000.npy')
    assert (labels[outside] == 255).all() and (labels[~outside] < 19).all()
    assert not confidence[outside].any() and confidence[~outside].all()
    assert np.isnan(depth_m[outside]).all() and not np.isnan(depth_m[~outside]).all()


def test_frames_to_calibrate_on_are_seen_through_the_same_lens(bent, folder, file) -> None:
    straight = next(BagSource(bent, lens='rectify').frames()).rgb
    for given in ({'path': bent}, {'path': folder, 'camera': file}):
        first, *_ = user_frames(**given, size=straight.shape[:2], count=2, lens='rectify')
        np.testing.assert_array_equal(first, straight)
    with pytest.raises(OfflineError, match='--lens rectify needs a calibration'):
        user_frames(folder, straight.shape[:2], 2, lens='rectify')
