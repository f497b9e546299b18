"""A scene's maps lie over each other, and what is taken from one pixel is taken from all maps."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from sds_perception.labels import UNLABELLED
from sds_perception.scene import Scene

SIZE = (12, 20)


@pytest.fixture
def scene() -> Scene:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 19, SIZE, dtype=np.uint8)
    small = rng.integers(1, 256, (3, 5), dtype=np.uint8)
    return Scene(labels, rng.random(SIZE, np.float32), small, 'metric')


def test_confidence_gets_the_size_of_the_labels(scene: Scene) -> None:
    wanted = cv2.resize(scene.network_confidence, SIZE[::-1], interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(scene.confidence, wanted)


@pytest.mark.parametrize('asked_before', [True, False])
def test_blank_pixels_have_neither_label_nor_depth_nor_confidence(
    scene: Scene, asked_before: bool
) -> None:
    hidden = np.zeros(SIZE, bool)
    hidden[8:, 3:9] = True
    if asked_before:
        assert scene.confidence.all()
    scene.blank(hidden)
    metres = replace(scene, depth_kind='metric')
    for each in (scene, metres):
        np.testing.assert_array_equal(each.labels == UNLABELLED, hidden)
        np.testing.assert_array_equal(np.isnan(each.depth), hidden)
        np.testing.assert_array_equal(each.confidence == 0, hidden)
