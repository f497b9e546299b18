"""Pictures people can trust: exact colours, black where nothing is known."""

from __future__ import annotations

import numpy as np
import pytest

from sds_perception.labels import PALETTE, ROAD, SKY, UNLABELLED
from sds_perception.render import (
    color_confidence,
    color_depth,
    color_labels,
    overlay,
    side_by_side,
)
from sds_perception.scene import Scene

H, W = 24, 40


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8)


@pytest.fixture
def labels() -> np.ndarray:
    labels = np.random.default_rng(1).integers(0, 19, (H, W), dtype=np.uint8)
    labels[:3] = UNLABELLED
    return labels


def brightness(colors: np.ndarray) -> np.ndarray:
    return colors.astype(int).sum(axis=-1)


def test_every_pixel_has_its_class_colour(labels) -> None:
    np.testing.assert_array_equal(color_labels(labels), PALETTE[labels])


def test_the_overlay_mixes_and_leaves_unlabelled_pixels_alone(rgb, labels) -> None:
    mixed = overlay(rgb, labels, alpha=0.25)
    np.testing.assert_array_equal(mixed[:3], rgb[:3])
    wanted = 0.75 * rgb[3:] + 0.25 * PALETTE[labels[3:]]
    assert np.abs(mixed[3:] - wanted).max() <= 0.5 + 1e-6


def test_the_overlay_does_not_touch_the_picture(rgb, labels) -> None:
    before = rgb.copy()
    overlay(rgb, labels)
    np.testing.assert_array_equal(rgb, before)


def test_nearer_is_brighter_and_equal_ratios_are_equal_steps() -> None:
    depth = np.geomspace(1.0, 100.0, 64, dtype=np.float32)[None].repeat(4, axis=0)
    steps = np.diff(brightness(color_depth(depth))[0])
    assert (steps <= 0).all()
    assert steps.sum() < -400


def test_unknown_depth_is_black_and_known_depth_never_is() -> None:
    depth = np.full((H, W), 10.0, np.float32)
    depth[:4], depth[4] = np.nan, np.inf
    depth[5:9] = 1000.0
    colors = color_depth(depth, near=5.0, far=50.0)
    assert not colors[:4].any()
    assert (brightness(colors[4:]) > 0).all()


def test_one_wild_pixel_does_not_move_the_range() -> None:
    depth = np.random.default_rng(2).uniform(2, 80, (240, 400)).astype(np.float32)
    wild = depth.copy()
    wild[0, 0] = 1e6
    far_away = np.s_[1:, :]
    difference = color_depth(depth)[far_away].astype(int) - color_depth(wild)[far_away]
    assert np.abs(difference).max() < 12


@pytest.mark.parametrize('size', [(1, 1), (1, 4), (4, 1)])
@pytest.mark.parametrize('label', [ROAD, UNLABELLED])
def test_a_picture_of_a_pixel_or_a_line_is_tinted_too(size, label) -> None:
    rgb = np.full((*size, 3), 90, np.uint8)
    shown = 90 if label == UNLABELLED else (90 + PALETTE[ROAD]) / 2
    found = overlay(rgb, np.full(size, label, np.uint8))
    assert np.abs(found - shown).max() <= 0.5


@pytest.mark.parametrize('value', [np.nan, 7.0])
def test_empty_and_flat_depth_give_a_picture(value) -> None:
    assert color_depth(np.full((H, W), value, np.float32)).shape == (H, W, 3)


def test_confidence_grows_brighter() -> None:
    ramp = np.arange(256, dtype=np.uint8)[None]
    assert (np.diff(brightness(color_confidence(ramp))[0][1:]) >= -3).all()


@pytest.mark.parametrize('size', [(64, 96), (192, 640)])
def test_the_sheet_shows_four_pictures_and_the_classes_present(size) -> None:
    height, width = size
    labels = np.full(size, ROAD, np.uint8)
    labels[: height // 2] = SKY
    depth = np.full(size, 4.0, np.float32)
    scene = Scene(labels, depth, np.full(size, 200, np.uint8), 'relative')
    sheet = side_by_side(np.full((*size, 3), 90, np.uint8), scene)
    assert sheet.shape[1] == 2 * width
    assert sheet.shape[0] > 2 * height
    legend = sheet[2 * height :].reshape(-1, 3)
    shown = [(legend == PALETTE[label]).all(axis=-1).sum() > 30 for label in range(19)]
    assert [label for label in range(19) if shown[label]] == [ROAD, SKY]
