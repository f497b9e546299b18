"""From an engine's small maps to a frame's size, without 19 full-resolution float planes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sds_perception.engines import EngineOutput


def resized_to(small: NDArray, size: tuple[int, int], interpolation: int) -> NDArray:
    """A fresh (H, W) array of the same dtype."""
    height, width = size
    if small.shape == (height, width):
        return small.copy()
    return np.asarray(cv2.resize(small, (width, height), interpolation=interpolation))


def nearest_to(small: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A fresh (H, W) array of nearest values, those `cv2.resize` takes, in a third of its time.

    Columns are repeated in the small picture; then whole rows are copied.
    """
    height, width = size
    step = 1 / (height / small.shape[0])  # rounded as OpenCV rounds it
    rows = (np.arange(height) * step).astype(np.intp)
    wide = cv2.resize(small, (width, small.shape[0]), interpolation=cv2.INTER_NEAREST)
    return np.take(wide, rows.clip(max=small.shape[0] - 1), axis=0)


def fine_labels(logits: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Labels at `size`, equal to bilinear upsampling of all planes followed by argmax.

    A running maximum over one plane at a time, and only over classes that can win somewhere: a
    few planes of memory instead of K, and a twentieth of the time or less (docs/performance.md).

    Args:
        logits: (K, h, w) class scores.
        size: (H, W) wanted.

    Returns:
        (H, W) uint8; the first class wins ties, as in argmax.
    """
    height, width = size
    first, *others = possible_winners(logits)
    best = cv2.resize(logits[first], (width, height), interpolation=cv2.INTER_LINEAR)
    labels = np.full((height, width), first, np.uint8)
    plane, higher, value = np.empty_like(best), np.empty_like(labels), np.empty_like(labels)
    for number in others:
        cv2.resize(logits[number], (width, height), dst=plane, interpolation=cv2.INTER_LINEAR)
        cv2.compare(plane, best, cv2.CMP_GT, dst=higher)
        cv2.max(plane, best, dst=best)
        value.fill(number)
        cv2.copyTo(value, higher, labels)
    return labels


def labels_of(output: EngineOutput, place: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A fresh (H, W) array of one frame's labels, from class scores where the engine kept them."""
    if output.labels_at is not None:
        return output.labels_at(place, size).copy()
    if output.logits is not None:
        return fine_labels(output.logits[place], size)
    return nearest_to(output.labels[place], size)


def possible_winners(logits: NDArray[np.float32]) -> list[int]:
    """Classes that may win at or between the pixels of (K, h, w) scores, in order.

    Between four pixels a class is at most its greatest corner, and the winner at least the
    greatest of all classes' least corners. Comparing neighbouring pixels' winners would not do:
    between pixels a class can win that wins at none of them.
    """
    corners, anchor = np.ones((2, 2), np.uint8), (0, 0)
    sure = cv2.erode(logits[0], corners, anchor=anchor)
    for plane in logits[1:]:
        cv2.max(sure, cv2.erode(plane, corners, anchor=anchor), dst=sure)
    sure -= 1e-5 * float(np.abs(sure).max())  # interpolation rounds
    return [
        number
        for number, plane in enumerate(logits)
        if (cv2.dilate(plane, corners, anchor=anchor) >= sure).any()
    ]
