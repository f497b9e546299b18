"""After rectification the world is seen through a pinhole."""

from __future__ import annotations

import numpy as np
import pytest

from sds_perception.camera import Camera, CameraError
from sds_perception.rectification import Rectifier

SIZE = (320, 240)
K = np.array([[180.0, 0, 162], [0, 175, 117], [0, 0, 1]])
P = np.array([[150.0, 0, 158, 0], [0, 150, 121, 0], [0, 0, 1, 0]])
ANGLE = 0.03
TURNED = np.array(
    [[np.cos(ANGLE), 0, np.sin(ANGLE)], [0, 1, 0], [-np.sin(ANGLE), 0, np.cos(ANGLE)]]
)
LENSES = {
    'plumb_bob': [-0.25, 0.08, 0.002, -0.001, -0.01],
    'rational_polynomial': [0.4, 0.05, 0.001, -0.002, 0.01, 0.7, 0.1, 0.02],
    'equidistant': [-0.02, 0.004, -0.002, 0.0005],
    'fisheye': [0.03, -0.01, 0.002, 0.0],
}
UNCHANGED = np.hstack((K, np.zeros((3, 1))))
POINTS = np.array([[0.1, 0.2, 2.0], [-1.2, 0.7, 2.0], [1.1, -0.9, 2.1], [0.6, 0.6, 1.5]])


def through_the_lens(points: np.ndarray, model: str) -> np.ndarray:
    """(N, 2) pixels by the formulas of the CameraInfo documentation, written out."""
    x, y = points[:, 0] / points[:, 2], points[:, 1] / points[:, 2]
    r2 = x * x + y * y
    if model in ('equidistant', 'fisheye'):
        r = np.sqrt(r2)
        angle = np.arctan(r)
        bent = angle * (1 + sum(k * angle ** (2 * i + 2) for i, k in enumerate(LENSES[model])))
        u, v = x * bent / r, y * bent / r
    else:
        k1, k2, p1, p2, k3, *rest = LENSES[model]
        k4, k5, k6 = rest or (0.0, 0.0, 0.0)
        radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
        u = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
        v = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    return np.stack((K[0, 0] * u + K[0, 2], K[1, 1] * v + K[1, 2]), axis=-1)


def spot_at(pixel: np.ndarray) -> np.ndarray:
    """(H, W) uint8 picture of a soft spot; its centre of mass is `pixel`."""
    v, u = np.mgrid[: SIZE[1], : SIZE[0]]
    distance2 = (u - pixel[0]) ** 2 + (v - pixel[1]) ** 2
    return (250 * np.exp(-distance2 / 8.0)).astype(np.uint8)


def centre_of(picture: np.ndarray) -> np.ndarray:
    v, u = np.mgrid[: SIZE[1], : SIZE[0]]
    weight = picture.astype(float)
    return np.array([(u * weight).sum(), (v * weight).sum()]) / weight.sum()


@pytest.mark.parametrize('point', POINTS)
@pytest.mark.parametrize('model', LENSES)
def test_a_point_seen_through_the_lens_lands_on_its_pinhole_projection(model, point) -> None:
    rectify = Rectifier(K, LENSES[model], TURNED, P, model, SIZE)
    seen = spot_at(through_the_lens(point[None], model)[0])
    wanted = rectify.camera.project(TURNED @ point)
    np.testing.assert_allclose(centre_of(rectify(seen)), wanted, atol=0.3)


def test_the_camera_of_the_result_is_p() -> None:
    camera = Rectifier(K, LENSES['plumb_bob'], TURNED, P, 'plumb_bob', SIZE).camera
    assert camera == Camera(150, 150, 158, 121, *SIZE)


def test_colour_pictures_are_rectified_alike() -> None:
    rectify = Rectifier(K, LENSES['plumb_bob'], np.eye(3), P, 'plumb_bob', SIZE)
    grey = np.random.default_rng(0).integers(0, 256, SIZE[::-1], dtype=np.uint8)
    colour = rectify(np.repeat(grey[..., None], 3, axis=-1))
    np.testing.assert_array_equal(colour[..., 1], rectify(grey))


@pytest.mark.parametrize(
    ('model', 'D'), [('plumb_bob', [0] * 5), ('plumb_bob', []), ('', []), ('none', [0.0] * 5)]
)
def test_without_distortion_the_picture_is_passed_through(model, D) -> None:
    rectify = Rectifier(K, D, np.eye(3), UNCHANGED, model, SIZE)
    picture = np.zeros((*SIZE[::-1], 3), np.uint8)
    assert rectify(picture) is picture


@pytest.mark.parametrize(
    ('turn', 'pinhole'), [(TURNED, UNCHANGED), (np.eye(3), UNCHANGED * [[0.5], [0.5], [1]])]
)
def test_a_turn_or_another_pinhole_makes_another_picture_also_without_distortion(
    turn, pinhole
) -> None:
    assert not Rectifier(K, [0] * 5, turn, pinhole, 'plumb_bob', SIZE).is_identity


def test_a_lens_is_taken_out_also_where_the_pinhole_is_its_own() -> None:
    assert not Rectifier(
        K, LENSES['plumb_bob'], np.eye(3), UNCHANGED, 'plumb_bob', SIZE
    ).is_identity


@pytest.mark.parametrize(('model', 'longer'), [('plumb_bob', 1), ('rational_polynomial', 6)])
def test_coefficients_that_are_left_out_are_zero(model: str, longer: int) -> None:
    short = LENSES[model][:4] if model == 'plumb_bob' else LENSES[model]
    picture = spot_at(np.array([40.0, 50.0]))
    one, other = (
        Rectifier(K, d, np.eye(3), P, model, SIZE)(picture)
        for d in (short, short + [0.0] * longer)
    )
    np.testing.assert_array_equal(one, other)


def test_a_fisheye_with_zero_coefficients_still_bends() -> None:
    assert not Rectifier(K, [0] * 4, np.eye(3), UNCHANGED, 'equidistant', SIZE).is_identity


def test_r_and_p_of_zeros_mean_not_given() -> None:
    rectify = Rectifier(K, [0] * 5, np.zeros(9), np.zeros(12), 'plumb_bob', SIZE)
    assert rectify.is_identity
    assert rectify.camera == Camera.from_matrix(K, *SIZE)


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        ({'distortion_model': 'omnidirectional'}, "'omnidirectional' is not supported"),
        ({'distortion_model': ''}, "'' is not supported"),
        ({'D': [0.1] * 3}, 'wants 4 or 5 distortion coefficients, got 3'),
        ({'distortion_model': 'equidistant'}, 'wants 4 distortion coefficients, got 5'),
        ({'distortion_model': 'fisheye', 'D': []}, 'got 0'),
        ({'D': [0.1, np.nan, 0, 0, 0]}, 'must be finite'),
        ({'K': np.zeros(9)}, 'uncalibrated'),
    ],
)
def test_calibrations_that_make_no_sense_are_refused(change, sentence) -> None:
    good = {'K': K, 'D': LENSES['plumb_bob'], 'R': np.eye(3), 'P': P}
    fields = {**good, 'distortion_model': 'plumb_bob', 'size': SIZE, **change}
    with pytest.raises(CameraError, match=sentence):
        Rectifier(**fields)


def test_a_picture_of_another_size_is_refused() -> None:
    rectify = Rectifier(K, LENSES['plumb_bob'], np.eye(3), P, 'plumb_bob', SIZE)
    with pytest.raises(CameraError, match='the picture is'):
        rectify(np.zeros((100, 100, 3), np.uint8))


def test_where_the_lens_shows_nothing_is_outside() -> None:
    wide = P * np.array([[0.5], [0.5], [1.0]]) + np.array([[0, 0, 79, 0], [0, 0, 60, 0], [0] * 4])
    rectify = Rectifier(K, LENSES['plumb_bob'], np.eye(3), wide, 'plumb_bob', SIZE)
    white = rectify(np.full((SIZE[1], SIZE[0]), 255, np.uint8))
    np.testing.assert_array_equal(rectify.outside, white < 255)
    assert 0.1 < rectify.outside.mean() < 0.9


def test_a_picture_that_is_whole_has_no_outside() -> None:
    near = np.diag([400.0, 400.0, 1.0]) @ np.eye(3, 4) + [[0, 0, 158, 0], [0, 0, 121, 0], [0] * 4]
    assert Rectifier(K, [0] * 5, np.eye(3), near, 'plumb_bob', SIZE).outside is None
    assert Rectifier(K, [0] * 5, np.zeros(9), np.zeros(12), 'plumb_bob', SIZE).outside is None
