"""Scene to pictures for people: colours, overlays and one sheet that shows everything at once.

Every colouring is one pass of `cv2.applyColorMap` with a table of our own (0.5 ms at 720p, against
15 ms for indexing a palette). Index 0 of the depth table is black and means unknown.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sds_perception.labels import NAMES, PALETTE, UNLABELLED
from sds_perception.scene import Scene

RGB = NDArray[np.uint8]

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_RANGE_PERCENT = (2.0, 98.0)  # so that one wild pixel does not wash out the rest
_RANGE_STEP_PX = 8  # every 8th pixel decides the range: percentiles of all cost 20 ms


def _table(color_map: int, first: int) -> NDArray[np.uint8]:
    """(256, 1, 3) RGB table: OpenCV's map stretched from its entry `first`, black at 0."""
    entries = np.linspace(first, 255, 256).round().astype(np.uint8).reshape(-1, 1)
    table = cv2.applyColorMap(entries, color_map)[..., ::-1].copy()
    table[0] = 0
    return table


_LABEL_TABLE = PALETTE.reshape(256, 1, 3)
_DEPTH_TABLE = _table(cv2.COLORMAP_INFERNO, 24)  # starts above black, which means unknown
_CONFIDENCE_TABLE = _table(cv2.COLORMAP_VIRIDIS, 0)


def color_labels(labels: NDArray[np.uint8]) -> RGB:
    """(H, W, 3) RGB of (H, W) train ids in the Cityscapes colours; unlabelled is black."""
    return cv2.applyColorMap(labels, _LABEL_TABLE)


def overlay(rgb: RGB, labels: NDArray[np.uint8], alpha: float = 0.5) -> RGB:
    """The picture tinted by its classes; unlabelled pixels keep the picture's own colour."""
    tinted = color_labels(labels)
    cv2.addWeighted(rgb, 1.0 - alpha, tinted, alpha, 0.0, dst=tinted)
    # Not `compare`: of a single pixel and a number it takes the number for an array.
    return cv2.copyTo(rgb, cv2.inRange(labels, UNLABELLED, UNLABELLED), tinted)


def color_depth(
    depth: NDArray[np.float32], near: float | None = None, far: float | None = None
) -> RGB:
    """(H, W, 3) RGB of (H, W) depth, near bright and far dark on a log scale; NaN is black.

    `near` and `far` are in the depth's own unit; what is not given is read from the picture.
    """
    near, far = _range(depth, near, far)
    log_depth = cv2.log(depth)  # NaN stays NaN
    # index = 255 at near, 1 at far, linear in log depth
    slope = -254.0 / max(float(np.log(far / near)), 1e-6)
    index = np.multiply(log_depth, np.float32(slope), out=log_depth)
    index += np.float32(255.0 - slope * float(np.log(near)))
    np.clip(index, 1, 255, out=index)
    cv2.patchNaNs(index, 0.0)
    return cv2.applyColorMap(index.astype(np.uint8), _DEPTH_TABLE)


def color_confidence(confidence: NDArray[np.uint8]) -> RGB:
    """(H, W, 3) RGB of (H, W) uint8 confidence: dark violet doubts, yellow is sure."""
    return cv2.applyColorMap(confidence, _CONFIDENCE_TABLE)


def side_by_side(rgb: RGB, scene: Scene) -> RGB:
    """One sheet, (2 H + legend, 2 W, 3) RGB: picture, overlay, depth, confidence, classes seen."""
    near, far = _range(scene.depth, None, None)
    unit = 'm' if scene.depth_kind == 'metric' else 'without unit'
    tiles = [
        _captioned(rgb, 'camera'),
        _captioned(overlay(rgb, scene.labels), 'semantics'),
        _captioned(
            color_depth(scene.depth, near, far),
            f'{scene.depth_kind} depth, {near:.3g} bright .. {far:.3g} dark, {unit}',
        ),
        _captioned(color_confidence(scene.confidence), 'confidence'),
    ]
    sheet = np.vstack((np.hstack(tiles[:2]), np.hstack(tiles[2:])))
    return np.vstack((sheet, _legend(scene.labels, sheet.shape[1])))


def _range(
    depth: NDArray[np.float32], near: float | None, far: float | None
) -> tuple[float, float]:
    """Near and far that frame the picture's depth; (1, 2) where nothing is known."""
    if near is None or far is None:
        sample = depth[::_RANGE_STEP_PX, ::_RANGE_STEP_PX]
        sample = sample[np.isfinite(sample) & (sample > 0)]
        low, high = np.percentile(sample, _RANGE_PERCENT) if sample.size else (1.0, 2.0)
        near = float(low) if near is None else near
        far = float(high) if far is None else far
    return near, max(far, near)


def _captioned(tile: RGB, text: str) -> RGB:
    tile = tile.copy()
    scale = _text_scale(tile.shape[1])
    (_, height), _ = cv2.getTextSize('Ag', _FONT, scale, 1)  # the same line for every caption
    margin = height // 2
    tile[: height + 2 * margin] //= 3
    origin = (margin, height + margin)
    return cv2.putText(tile, text, origin, _FONT, scale, (255, 255, 255), 1, cv2.LINE_AA)


def _legend(labels: NDArray[np.uint8], width: int) -> RGB:
    """(h, width, 3) RGB: a coloured square and a name for every class present."""
    counts = np.bincount(labels.reshape(-1), minlength=256)[: len(NAMES)]
    present = np.flatnonzero(counts)
    scale = _text_scale(width // 2)
    (cell, height), _ = cv2.getTextSize('traffic light', _FONT, scale, 1)
    row, cell = 2 * height, cell + 4 * height
    columns = max(width // cell, 1)
    rows = max(-(-len(present) // columns), 1)
    legend = np.full((rows * row + height, width, 3), 32, np.uint8)
    for place, label in enumerate(present):
        x, y = (place % columns) * cell + height, (place // columns) * row + height
        legend[y : y + height, x : x + height] = PALETTE[label]
        origin = (x + height + height // 2, y + height)
        cv2.putText(legend, NAMES[label], origin, _FONT, scale, (230, 230, 230), 1, cv2.LINE_AA)
    return legend


def _text_scale(width: int) -> float:
    return min(max(width / 1280.0, 0.4), 1.5)
