from __future__ import annotations

import numpy as np
import pytest

from sds_perception.camera import Camera
from sds_training.data.geometric import (
    GeometricPlan,
    apply_to_camera,
    apply_to_label,
    apply_to_picture,
    draw_geometric,
    resize_label,
)

SIZE, CROP = (96, 64), (40, 24)
CAMERA = Camera(fx=80.0, fy=78.0, cx=45.0, cy=30.0, width=96, height=64)


def blob_at(u: float, v: float) -> np.ndarray:
    """(64, 96, 3) uint8: a bright spot centred at (u, v), wide enough to survive resizing."""
    x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    spot = 255 * np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * 2.0**2))
    return np.repeat(spot.astype(np.uint8)[..., None], 3, axis=2)


def centre_of(picture: np.ndarray) -> tuple[float, float]:
    weight = picture[..., 0].astype(np.float64)
    y, x = np.indices(weight.shape)
    return (x * weight).sum() / weight.sum(), (y * weight).sum() / weight.sum()


@pytest.mark.parametrize('flip', [False, True])
@pytest.mark.parametrize('scale', [0.75, 1.0, 1.5])
def test_a_point_in_space_lands_on_the_pixel_that_moved(flip: bool, scale: float) -> None:
    """The picture of a point and the point projected by the planned camera agree."""
    point = np.array([0.4, 0.3, 4.0])
    picture = blob_at(*CAMERA.project(point))
    resized = (round(SIZE[0] * scale), round(SIZE[1] * scale))
    u, v = CAMERA.resized(*resized).project(point)
    plan = GeometricPlan(resized, int(u) - 22, int(v) - 12, CROP, flip)
    planned = apply_to_camera(CAMERA, plan)
    seen = apply_to_picture(picture, plan)
    assert seen.shape == (CROP[1], CROP[0], 3)
    assert (planned.width, planned.height) == CROP
    expected = planned.project(point * ((-1, 1, 1) if flip else (1, 1, 1)))
    np.testing.assert_allclose(centre_of(seen), expected, atol=0.1)


def test_flipping_moves_only_the_principal_column() -> None:
    plan = GeometricPlan(SIZE, 10, 5, CROP, flip=False)
    mirrored = GeometricPlan(SIZE, 10, 5, CROP, flip=True)
    plain, flipped = apply_to_camera(CAMERA, plan), apply_to_camera(CAMERA, mirrored)
    assert flipped.cx == CROP[0] - 1 - plain.cx
    assert (flipped.fx, flipped.fy, flipped.cy) == (plain.fx, plain.fy, plain.cy)


def test_picture_and_label_are_cut_by_the_same_plan() -> None:
    label = np.random.default_rng(0).integers(0, 19, SIZE[::-1], dtype=np.uint8)
    picture = np.repeat(label[..., None], 3, axis=2)
    for seed in range(5):
        plan = draw_geometric(SIZE, CROP, np.random.default_rng(seed))
        np.testing.assert_array_equal(
            apply_to_picture(picture, plan)[..., 0], apply_to_label(label, plan)
        )


def test_every_drawn_crop_lies_inside_the_picture_however_small_the_scale() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        plan = draw_geometric(SIZE, CROP, rng, scale_range=(0.1, 2.0))
        assert 0 <= plan.left <= plan.resized[0] - CROP[0]
        assert 0 <= plan.top <= plan.resized[1] - CROP[1]


def test_the_same_generator_state_draws_the_same_plan() -> None:
    draws = [draw_geometric(SIZE, CROP, np.random.default_rng(7)) for _ in range(2)]
    assert draws[0] == draws[1]
    assert len({draw_geometric(SIZE, CROP, np.random.default_rng(n)) for n in range(9)}) == 9


def test_shrinking_a_label_by_three_takes_the_pixel_in_the_middle() -> None:
    label = np.arange(9 * 9, dtype=np.uint8).reshape(9, 9)
    np.testing.assert_array_equal(resize_label(label, (3, 3)), label[1::3, 1::3])


@pytest.mark.parametrize('size', [(32, 16), (48, 20), (100, 60)])
def test_a_label_of_another_size_has_no_class_that_it_did_not_have(size: tuple[int, int]) -> None:
    label = np.random.default_rng(0).choice(np.array([0, 13, 255], np.uint8), (32, 64))
    assert set(np.unique(resize_label(label, size))) == {0, 13, 255}
