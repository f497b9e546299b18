"""A frame darker than any that a network learnt from is brought to these, and no other is."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from sds_perception.brightness import STRONGEST, brightened, exponent, intensity
from sds_perception.perceiver import Perceiver
from sds_perception.release import Release

LEAST = 0.4


def picture(brightest: int = 255, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, brightest + 1, (6, 12, 3), np.uint8)
    return cv2.resize(coarse, (128, 64), interpolation=cv2.INTER_LINEAR)


def test_a_picture_that_is_bright_enough_stays_what_it_is() -> None:
    bright = picture()
    assert intensity(bright) > LEAST
    assert brightened(bright, LEAST) is bright
    dark = picture(60)
    assert brightened(dark, 0.0) is dark


@pytest.mark.parametrize('brightest', [60, 100, 180])
def test_a_dark_picture_becomes_about_as_bright_as_those_that_are_known(
    brightest: int,
) -> None:
    dark = picture(brightest)
    before = dark.copy()
    assert intensity(brightened(dark, LEAST)) == pytest.approx(LEAST, abs=0.04)
    np.testing.assert_array_equal(dark, before)


def test_brightening_keeps_black_white_and_what_is_brighter_than_what() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8) // 2, 3).reshape(1, 256, 3)
    ramp[0, -1] = 255
    found = brightened(ramp, LEAST)[0, :, 0]
    assert found[0] == 0 and found[-1] == 255
    assert (np.diff(found.astype(int)) >= 0).all() and (found >= ramp[0, :, 0]).all()


def test_a_little_too_dark_is_brightened_a_little() -> None:
    assert exponent(LEAST - 1e-4, LEAST) == pytest.approx(1, abs=1e-3)


def test_night_is_not_stretched_to_noise_and_black_has_nothing_to_show() -> None:
    assert exponent(0.01, LEAST) == STRONGEST
    black = np.zeros((4, 4, 3), np.uint8)
    assert brightened(black, LEAST) is black
    black[0, 0] = 9  # a hot pixel
    assert brightened(black, LEAST) is black


@pytest.mark.parametrize('colour', range(3))
def test_each_colour_counts_for_how_bright_a_picture_is(colour: int) -> None:
    pure = np.zeros((4, 4, 3), np.uint8)
    pure[..., colour] = 255
    assert intensity(pure) == pytest.approx(1 / 3)


def test_each_frame_of_a_call_is_brightened_by_itself(metric_release: Release) -> None:
    frames = [picture(80), picture(), picture(40, seed=1)]
    known = Perceiver.from_release(replace(metric_release, brightness=LEAST))
    plain = Perceiver.from_release(metric_release)
    cameras = [metric_release.camera] * len(frames)
    found = known.perceive(frames, cameras)
    wanted = plain.perceive([brightened(each, LEAST) for each in frames], cameras)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_array_equal(one.depth, other.depth)
    assert not np.array_equal(found[0].depth, plain(frames[0], cameras[0]).depth)
