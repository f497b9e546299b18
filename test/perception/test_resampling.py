"""Small maps become frame-sized ones without surprises."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from sds_perception.engines import EngineOutput
from sds_perception.resampling import fine_labels, labels_of, nearest_to, resized_to

SIZES = [(37, 61), (64, 128), (16, 32), (9, 20)]


def logits(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(19, 16, 32)).astype(np.float32)


@pytest.mark.parametrize('size', SIZES)
def test_fine_labels_are_bilinear_upsampling_followed_by_argmax(size):
    planes = [cv2.resize(plane, size[::-1]) for plane in logits()]
    labels = fine_labels(logits(), size)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, np.argmax(planes, axis=0))


def test_fine_labels_agree_with_torch_wherever_two_classes_do_not_nearly_tie():
    scores = torch.nn.functional.interpolate(
        torch.from_numpy(logits())[None], (64, 128), mode='bilinear', align_corners=False
    )[0]
    first, second = scores.topk(2, dim=0).values
    clear = (first - second > 1e-4).numpy()
    np.testing.assert_array_equal(
        fine_labels(logits(), (64, 128))[clear], scores.argmax(0).numpy()[clear]
    )
    assert clear.mean() > 0.99


def test_the_first_class_wins_a_tie():
    assert not fine_labels(np.zeros((4, 3, 5), np.float32), (6, 10)).any()


@pytest.mark.parametrize('size', SIZES)
def test_nearest_resampling_invents_no_label(size):
    small = np.random.default_rng(0).choice([3, 200, 255], (16, 32)).astype(np.uint8)
    large = resized_to(small, size, cv2.INTER_NEAREST)
    assert large.shape == size
    assert set(np.unique(large)) <= {3, 200, 255}


@pytest.mark.parametrize('size', SIZES)
def test_the_result_is_always_a_fresh_array(size):
    small = np.ones((16, 32), np.float32)
    assert not np.shares_memory(resized_to(small, size, cv2.INTER_LINEAR), small)


@pytest.mark.parametrize('size', [*SIZES, (1, 1), (720, 1280), (719, 1279), (1021, 773)])
def test_nearest_labels_are_those_that_opencv_takes(size):
    small = np.random.default_rng(0).integers(0, 19, (16, 32), dtype=np.uint8)
    wanted = cv2.resize(small, size[::-1], interpolation=cv2.INTER_NEAREST)
    np.testing.assert_array_equal(nearest_to(small, size), wanted)


def test_labels_outlive_what_the_engine_writes_next():
    buffer = np.zeros((1, 4, 6), np.uint8)
    kept = EngineOutput(buffer, buffer, np.ones((1, 4, 6), np.float32), None)
    for output in (kept, kept._replace(labels_at=lambda place, size: buffer[place])):
        assert not np.shares_memory(labels_of(output, 0, (4, 6)), buffer)
