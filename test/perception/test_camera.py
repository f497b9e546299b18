"""Intrinsics follow the picture: a point lands where the changed picture shows it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sds_perception.camera import Camera, CameraError

CAMERA = Camera(120.0, 130.0, 70.3, 41.6, 160, 96)
POINT = np.array([0.5, -0.21, 4.0])


def picture(camera: Camera, point: np.ndarray) -> np.ndarray:
    """(H, W) float32 with a soft spot where the camera sees the point."""
    u, v = camera.project(point)
    columns, rows = np.arange(camera.width), np.arange(camera.height)
    squared = (columns[None] - u) ** 2 + (rows[:, None] - v) ** 2
    return np.exp(-squared / (2 * 3.0**2)).astype(np.float32)


def spot(picture: np.ndarray) -> np.ndarray:
    """(u, v) of the spot's centre of gravity."""
    v, u = np.mgrid[: picture.shape[0], : picture.shape[1]]
    return np.array([(u * picture).sum(), (v * picture).sum()]) / picture.sum()


def resized(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    interpolation = cv2.INTER_AREA if width < picture.shape[1] else cv2.INTER_LINEAR
    return cv2.resize(picture, (width, height), interpolation=interpolation)


def test_the_drawn_spot_is_where_the_camera_projects_the_point():
    np.testing.assert_allclose(spot(picture(CAMERA, POINT)), CAMERA.project(POINT), atol=1e-3)


@pytest.mark.parametrize('size', [(80, 48), (320, 192), (80, 96), (160, 192), (240, 144)])
def test_after_a_resize_a_point_lands_where_the_resized_picture_shows_it(size):
    shown = spot(resized(picture(CAMERA, POINT), *size))
    np.testing.assert_allclose(CAMERA.resized(*size).project(POINT), shown, atol=0.02)


def test_after_a_crop_a_point_lands_where_the_crop_shows_it():
    shown = spot(picture(CAMERA, POINT)[5:80, 20:150])
    cropped = CAMERA.cropped(20, 5, 130, 75)
    np.testing.assert_allclose(cropped.project(POINT), shown, atol=1e-3)
    assert (cropped.width, cropped.height) == (130, 75)


def test_after_a_flip_the_mirrored_point_lands_where_the_mirrored_picture_shows_it():
    shown = spot(picture(CAMERA, POINT)[:, ::-1])
    np.testing.assert_allclose(CAMERA.flipped().project(POINT * [-1, 1, 1]), shown, atol=1e-3)


def test_crop_flip_and_resize_together_still_agree_with_the_picture():
    changed = resized(picture(CAMERA, POINT)[8:88, 10:150][:, ::-1], 70, 40)
    camera = CAMERA.cropped(10, 8, 140, 80).flipped().resized(70, 40)
    np.testing.assert_allclose(camera.project(POINT * [-1, 1, 1]), spot(changed), atol=0.02)


def test_flipping_twice_changes_nothing():
    assert CAMERA.flipped().flipped() == CAMERA


def test_resizes_compose_and_resizing_to_the_same_size_changes_nothing():
    direct, in_steps = CAMERA.resized(40, 24), CAMERA.resized(320, 48).resized(40, 24)
    np.testing.assert_allclose(in_steps.matrix, direct.matrix, rtol=1e-12)
    assert CAMERA.resized(160, 96) == CAMERA


def test_rays_times_depth_are_the_points_that_project_back_onto_their_pixels():
    depth = np.random.default_rng(0).uniform(1, 50, (96, 160, 1)).astype(np.float32)
    pixels = CAMERA.project(CAMERA.rays() * depth)
    v, u = np.mgrid[:96, :160]
    np.testing.assert_allclose(pixels, np.stack((u, v), axis=-1), atol=1e-4)


def test_a_matrix_read_back_is_the_same_camera():
    k = CAMERA.matrix
    assert Camera.from_matrix(k, 160, 96) == CAMERA
    assert Camera.from_matrix(k.ravel().tolist(), 160, 96) == CAMERA


def test_a_guessed_camera_sees_the_angle_asked_for():
    camera = Camera.guess(200, 100, horizontal_fov_deg=90)
    edge = camera.project(np.array([1.0, 0.0, 1.0]))  # 45 degrees to the right
    np.testing.assert_allclose(edge, [199.5, 49.5])


@pytest.mark.parametrize(
    ('change', 'named'),
    [
        ({'fx': 0.0}, 'uncalibrated'),
        ({'fy': -1.0}, 'fy=-1.0'),
        ({'fx': float('nan')}, 'fx=nan'),
        ({'fy': float('inf')}, 'fy=inf'),
        ({'cx': float('nan')}, 'principal point'),
        ({'width': 0}, '0x96'),
    ],
)
def test_impossible_intrinsics_are_refused_by_name(change, named):
    values = {'fx': 1.0, 'fy': 1.0, 'cx': 0.0, 'cy': 0.0, 'width': 160, 'height': 96} | change
    with pytest.raises(CameraError, match=named):
        Camera(**values)


def test_an_uncalibrated_camera_info_is_refused():
    with pytest.raises(CameraError, match='uncalibrated'):
        Camera.from_matrix(np.zeros(9), 640, 480)


def test_skew_is_refused():
    with pytest.raises(CameraError, match='skew'):
        Camera.from_matrix([100, 3, 50, 0, 100, 40, 0, 0, 1], 100, 80)
