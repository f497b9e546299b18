"""One reading of CameraInfo for whoever has one."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from sds_perception.calibration import (
    CalibrationReader,
    bends,
    calibration_from_info,
    calibration_of_rectified,
    pinhole,
)
from sds_perception.camera import Camera, CameraError
from sds_perception.rectification import Rectifier

K = [200.0, 0, 161, 0, 210.0, 119, 0, 0, 1]
P = [180.0, 0, 158, -36.0, 0, 190.0, 121, 0, 0, 0, 1, 0]


def info(**changes: object) -> SimpleNamespace:
    region = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    fields = {
        'width': 320,
        'height': 240,
        'distortion_model': 'plumb_bob',
        'd': [-0.2, 0.05, 0, 0, 0],
        'k': K,
        'r': np.eye(3).reshape(-1),
        'p': P,
        'binning_x': 0,
        'binning_y': 0,
        'roi': region,
    }
    return SimpleNamespace(**{**fields, **changes})


@pytest.mark.parametrize(
    ('model', 'd', 'wanted'),
    [
        ('plumb_bob', [-0.2, 0, 0, 0, 0], True),
        ('plumb_bob', [0] * 5, False),
        ('', [], False),
        ('equidistant', [0] * 4, True),
        ('fisheye', [], True),
    ],
)
def test_a_lens_bends_unless_its_numbers_are_zero_and_it_is_no_fisheye(model, d, wanted) -> None:
    assert bends(info(distortion_model=model, d=d)) is wanted


def test_an_unrectified_picture_has_the_intrinsics_of_k_and_keeps_its_lens() -> None:
    bent = info(distortion_model='rational_polynomial', d=[0.1] * 8, r=np.eye(3)[::-1].reshape(-1))
    seen = calibration_from_info(bent, 320, 240)
    assert seen.camera == Camera.from_matrix(K, 320, 240)
    assert seen.rectifier is None
    said = seen.published(seen.camera)
    assert said['distortion_model'] == bent.distortion_model
    np.testing.assert_array_equal(said['d'], bent.d)
    np.testing.assert_array_equal(said['r'], bent.r)
    np.testing.assert_allclose(said['p'], P)


def test_a_rectified_picture_has_the_intrinsics_of_p_and_no_lens() -> None:
    seen = calibration_from_info(info(), 320, 240, rectify=True)
    assert seen.camera == Camera(180, 190, 158, 121, 320, 240)
    assert seen.rectifier is not None
    assert not np.any(seen.published(seen.camera)['d'])


def test_a_picture_that_comes_rectified_has_the_intrinsics_of_p_and_is_left_as_it_is() -> None:
    seen = calibration_of_rectified(info(), 320, 240)
    assert seen.camera == Camera(180, 190, 158, 121, 320, 240)
    assert seen.rectifier is None
    said = seen.published(seen.camera)
    assert not np.any(said['d'])
    np.testing.assert_array_equal(said['r'], np.eye(3).reshape(-1))
    np.testing.assert_allclose(said['p'], P)


def test_a_rectified_picture_may_be_binned_and_cut_like_any() -> None:
    region = SimpleNamespace(x_offset=40, y_offset=20, width=240, height=200)
    seen = calibration_of_rectified(info(roi=region, binning_x=2, binning_y=2), 120, 100)
    whole = Camera(180, 190, 158, 121, 320, 240)
    assert seen.camera == whole.cropped(40, 20, 240, 200).resized(120, 100)


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'p': [0.0] * 12}, r'P\[0\] of camera_info is 0, wanted'),
        ({'width': 640}, 'is for 640x240'),
    ],
)
def test_a_rectified_picture_is_refused_without_a_p_or_with_that_of_another(
    changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises(CameraError, match=sentence):
        calibration_of_rectified(info(**changes), 320, 240)


@pytest.mark.parametrize(
    ('model', 'd'),
    [
        ('plumb_bob', [-0.2, 0.05, 0, 0, 0]),
        ('rational_polynomial', [0.4, 0.05, 0.001, -0.002, 0.01, 0.7, 0.1, 0.02]),
        ('equidistant', [-0.02, 0.004, -0.002, 0.0005]),
        ('fisheye', [0.03, -0.01, 0.002, 0]),
        ('none', []),
    ],
)
def test_what_is_published_for_a_rectified_picture_rectifies_it_to_itself(model, d) -> None:
    seen = calibration_from_info(info(distortion_model=model, d=d), 320, 240, rectify=True)
    said = seen.published(seen.camera)
    fields = (said[name] for name in ('k', 'd', 'r', 'p', 'distortion_model'))
    assert Rectifier(*fields, (320, 240)).is_identity
    np.testing.assert_allclose(said['p'], P)


def test_a_smaller_output_has_smaller_intrinsics_and_the_same_baseline_in_metres() -> None:
    seen = calibration_from_info(info(), 320, 240)
    half = seen.published(seen.camera.resized(160, 120))
    assert (half['width'], half['height']) == (160, 120)
    np.testing.assert_allclose(half['k'], seen.camera.resized(160, 120).matrix.reshape(-1))
    p = half['p'].reshape(3, 4)
    assert p[0, 0] == pytest.approx(P[0] / 2)
    assert p[0, 3] / p[0, 0] == pytest.approx(P[3] / P[0])


def test_binning_and_regions_move_the_camera_and_its_projection() -> None:
    region = SimpleNamespace(x_offset=40, y_offset=20, width=240, height=200)
    seen = calibration_from_info(info(roi=region, binning_x=2, binning_y=2), 120, 100)
    camera, moved = (
        Camera.from_matrix(each, 320, 240).cropped(40, 20, 240, 200).resized(120, 100)
        for each in (K, np.reshape(P, (3, 4))[:, :3])
    )
    assert seen.camera == camera
    np.testing.assert_allclose(seen.p[:, :3], moved.matrix)


@pytest.mark.parametrize(('width', 'height'), [(320, 0), (0, 240), (0, 0)])
def test_a_region_without_a_size_is_the_whole_picture(width: int, height: int) -> None:
    region = SimpleNamespace(x_offset=4, y_offset=2, width=width, height=height)
    seen = calibration_from_info(info(roi=region), 320, 240)
    assert seen.camera == Camera.from_matrix(K, 320, 240)


def test_rows_and_columns_are_binned_each_by_its_own_number() -> None:
    seen = calibration_from_info(info(binning_x=4, binning_y=2), 80, 120)
    assert seen.camera == Camera.from_matrix(K, 320, 240).resized(80, 120)


def test_what_is_binned_is_rectified_at_its_own_size() -> None:
    plain = info(d=[0] * 5, p=np.zeros(12), binning_x=2, binning_y=2)
    rectifier = calibration_from_info(plain, 160, 120, rectify=True).rectifier
    assert rectifier is not None and rectifier.is_identity


def test_a_p_nobody_filled_in_is_k() -> None:
    seen = calibration_from_info(info(p=np.zeros(12)), 320, 240)
    np.testing.assert_allclose(seen.p[:, :3].reshape(-1), K)


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [({'width': 640}, 'is for 640x240, the image is 320x240'), ({'k': [0.0] * 9}, 'uncalibrated')],
)
def test_infos_of_another_picture_are_refused(changes, sentence) -> None:
    with pytest.raises(CameraError, match=sentence):
        calibration_from_info(info(**changes), 320, 240)


def test_outside_of_a_rectified_picture_is_told_at_any_size() -> None:
    wide = [30.0, 0, 31.5, 0, 0, 30.0, 23.5, 0, 0, 0, 1, 0]
    seen = info(width=64, height=48, k=[60.0, 0, 31.5, 0, 60.0, 23.5, 0, 0, 1], p=wide)
    calibration = calibration_from_info(seen, 64, 48, rectify=True)
    outside = calibration.outside((24, 32))
    assert outside is not None and outside.shape == (24, 32)
    assert outside[0, 0] and not outside[12, 16] and 0.5 < outside.mean() < 0.9
    np.testing.assert_array_equal(calibration.outside((48, 64)), calibration.rectifier.outside)
    assert calibration_from_info(seen, 64, 48).outside((24, 32)) is None


def test_a_pinhole_publishes_itself() -> None:
    camera = Camera.guess(64, 48)
    fields = pinhole(camera).published(camera)
    np.testing.assert_allclose(fields['p'].reshape(3, 4)[:, :3], camera.matrix)
    assert not np.any(fields['d'])


def test_the_lens_maps_are_made_anew_only_when_the_calibration_changes() -> None:
    reader = CalibrationReader('rectify')
    first = reader.read(info(), 320, 240)
    assert reader.read(info(), 320, 240) is first
    other = reader.read(info(k=[201.0, *K[1:]]), 320, 240)
    assert other is not first
    assert reader.read(info(), 320, 240) is not first  # one is kept: a drive may bring thousands


@pytest.mark.parametrize(
    'change',
    [
        {'p': [181.0, *P[1:]]},
        {'r': [0.0] * 9},
        {'d': [-0.1, 0, 0, 0, 0]},
        {'distortion_model': 'rational_polynomial'},
        {'binning_x': 1},
        {'binning_y': 1},
        {'roi': SimpleNamespace(x_offset=1, y_offset=0, width=0, height=0)},
        {'roi': SimpleNamespace(x_offset=0, y_offset=1, width=0, height=0)},
    ],
)
def test_whatever_changes_in_a_calibration_is_heard(change: dict) -> None:
    reader = CalibrationReader('raw')
    first = reader.read(info(), 320, 240)
    assert reader.read(info(**change), 320, 240) is not first


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        ({'width': 640}, 'is for 640x240'),
        ({'height': 480}, 'is for 320x480'),
        ({'roi': SimpleNamespace(x_offset=0, y_offset=0, width=160, height=240)}, 'for 160x240'),
        ({'roi': SimpleNamespace(x_offset=0, y_offset=0, width=320, height=120)}, 'for 320x120'),
    ],
)
def test_a_calibration_that_is_of_another_size_from_now_on_is_refused(change, sentence) -> None:
    reader = CalibrationReader('raw')
    reader.read(info(), 320, 240)
    with pytest.raises(CameraError, match=sentence):
        reader.read(info(**change), 320, 240)


def test_what_was_read_for_one_size_says_nothing_of_another() -> None:
    reader = CalibrationReader('raw')
    reader.read(info(), 320, 240)
    with pytest.raises(CameraError, match='the image is 160x120'):
        reader.read(info(), 160, 120)
