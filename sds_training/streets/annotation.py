"""Labels as people draw them: what is in front has no holes, whatever shines through.

Cityscapes asks for this in the labelling policy of its data set overview: leaves before a house
or the sky are all tree, and a fence is a fence with what is seen between its bars.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sds_training.streets.street import LABEL_ID


class _Rule(NamedTuple):
    gap_m: float  # the widest that is drawn over
    behind: tuple[str, ...]  # what may be seen through it


_RULES = {
    'vegetation': _Rule(0.8, ('sky', 'building', 'wall')),
    'fence': _Rule(0.3, tuple(LABEL_ID)),
}
_LAYERS_M = np.geomspace(1.5, 120.0, 14)


def without_holes(
    label: NDArray[np.uint8], depth_m: NDArray[np.float32], fx: float
) -> NDArray[np.uint8]:
    """Gaps in trees and fences become tree and fence; all else stays.

    Args:
        label: (H, W) Cityscapes label ids, exact to the pixel; stays as it is.
        depth_m: (H, W), NaN in the sky.
        fx: focal length in pixels.
    """
    far = np.where(np.isfinite(depth_m), depth_m, np.inf)
    drawn = label.copy()
    for name, rule in _RULES.items():
        own = label == LABEL_ID[name]
        behind = np.isin(label, [LABEL_ID[each] for each in rule.behind])
        # What is of like distance together, in layers that overlap: a gap is so many pixels there.
        for near in _LAYERS_M:
            radius_px = rule.gap_m / 2 * fx / (2 * near)
            layer = own & (far >= near) & (far < 2 * near)
            if radius_px >= 1 and layer.any():
                drawn[_gaps(layer, far, radius_px) & behind] = LABEL_ID[name]
    return drawn


def _gaps(
    mask: NDArray[np.bool_], far: NDArray[np.float32], radius_px: float
) -> NDArray[np.bool_]:
    """What is farther away than the pixels of `mask` around it and closed by that radius."""
    away, nearest = cv2.distanceTransformWithLabels(
        (~mask).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    grown = (away <= radius_px).astype(np.uint8)
    closed = cv2.distanceTransform(grown, cv2.DIST_L2, 5) > radius_px  # no end at the picture's
    return closed & ~mask & (far > far[mask][nearest - 1])
