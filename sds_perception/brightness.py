"""Frames darker than those that a network learnt from, brightened while they are still bytes.

A network that learnt by day takes dusk for other things: the shipped release calls a third of the
cars in such pictures road. It need not learn dusk to see better there: the exponent that a camera
with a longer exposure would have spared us does it (docs/demo_release.md has what that gains). As
with the lens, the release knows what it learnt from, and each frame is brought there by itself.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

STRONGEST = 0.4  # exponent; a smaller one would show noise and nothing else
_LEVELS = np.arange(256) / 255


def intensity(rgb: NDArray[np.uint8]) -> float:
    """Mean of all pixels and colours of an (H, W, 3) picture, 0 to 1."""
    return sum(cv2.mean(rgb)[:3]) / 3 / 255


def exponent(found: float, brightness: float) -> float:
    """What a picture of mean intensity `found` is raised to, so that it is about `brightness`.

    1 where it is as bright as that, or where there is nothing to see; at least `STRONGEST`.
    """
    if found >= brightness or found * 255 < 1:
        return 1.0
    return max(STRONGEST, math.log(brightness) / math.log(found))


def brightened(rgb: NDArray[np.uint8], brightness: float) -> NDArray[np.uint8]:
    """The (H, W, 3) picture itself where it is bright enough, else a brighter one."""
    return raised(rgb, exponent(intensity(rgb), brightness)) if brightness else rgb


def raised(rgb: NDArray[np.uint8], power: float) -> NDArray[np.uint8]:
    """The picture with its intensities, as parts of 255, to that power; itself for 1."""
    if power == 1:
        return rgb
    return np.asarray(cv2.LUT(rgb, np.rint(255 * _LEVELS**power).astype(np.uint8)), np.uint8)
