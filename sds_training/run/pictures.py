"""Pictures of a training step, for people: what was seen, labelled, mixed and thought far away."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sds_perception.render import color_depth, color_labels
from sds_training.objective import Views

RGB = NDArray[np.uint8]
MOST = 4  # rows of a picture


def step_pictures(views: Views) -> dict[str, RGB]:
    """Named sheets: 'clean' (seen, labels, depth) and, if there was mixing, 'mixed'.

    The last column of 'mixed' is how much each pixel's label counted, white for all of it.
    """
    sheets = {
        'clean': _sheet(
            [_rgb(views.seen), _labels(views.label), _depths(1 / (views.disparity + 0.01))]
        )
    }
    if views.demand is not None:
        mixed, weight = views.demand.mixed, views.demand.weight
        sheets['mixed'] = _sheet(
            [_rgb(mixed.image), _labels(mixed.label), _depths(mixed.depth), _grey(weight)]
        )
    return sheets


def _sheet(columns: list[list[RGB]]) -> RGB:
    """One row per frame, one column per kind; everything at the first column's size."""
    height, width = columns[0][0].shape[:2]
    rows = [
        np.hstack([cv2.resize(each, (width, height)) for each in row])
        for row in zip(*(column[:MOST] for column in columns), strict=False)
    ]
    return np.vstack(rows)


def _rgb(image: Tensor) -> list[RGB]:
    """(B, 3, H, W) in [0, 1] to pictures."""
    scaled = (image.detach().clamp(0, 1) * 255).byte().permute(0, 2, 3, 1)
    return list(scaled.cpu().numpy())


def _labels(label: Tensor) -> list[RGB]:
    return [color_labels(each.astype(np.uint8)) for each in label.cpu().numpy()]


def _depths(depth: Tensor) -> list[RGB]:
    return [color_depth(each) for each in depth[:, 0].float().cpu().numpy()]


def _grey(share: Tensor) -> list[RGB]:
    grey = (share.clamp(0, 1) * 255).byte().cpu().numpy()
    return [np.repeat(each[..., None], 3, axis=2) for each in grey]
