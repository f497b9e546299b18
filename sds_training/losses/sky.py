"""The sky lies behind everything, and no neighbouring frame can tell: it has nothing to match."""

from __future__ import annotations

from torch import Tensor

from sds_perception.labels import SKY
from sds_training.losses.ground import mean_where


def sky_loss(depth: Tensor, label: Tensor, farthest: float) -> Tensor:
    """Mean log of `farthest` over depth, where the sky is.

    Sky never gets a depth on the vehicle; but what stands before it does, and a sky that is
    learnt as near as the textureless likes to be reaches over its edges.

    Args:
        depth: (B, 1, h, w), at most `farthest`.
        label: (B, h, w) integer train ids, 255 where nobody knows.
        farthest: the far end of the depth range, in the depth's unit.

    Returns:
        Scalar of zero or more; exactly zero, with a graph, without sky.
    """
    return mean_where((label == SKY)[:, None], (farthest / depth).log())
