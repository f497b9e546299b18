"""DepthMix: what is nearer in one picture hides the other (method.md 1.6)."""

from __future__ import annotations

from torch import Tensor


def relative_nearness(depth: Tensor) -> Tensor:
    """Disparity stretched to 0 (farthest) .. 1 (nearest) in each picture: (..., H, W)."""
    disparity = depth.reciprocal()
    least = disparity.amin(dim=(-2, -1), keepdim=True)
    span = disparity.amax(dim=(-2, -1), keepdim=True) - least
    return (disparity - least) / span.clamp(min=1e-12)


def depth_mask(source_depth: Tensor, target_depth: Tensor, margin: float) -> Tensor:
    """Where the source is nearer than the target, or farther by at most `margin`: (H, W) bool.

    Args:
        source_depth: (H, W), positive.
        target_depth: (H, W), positive.
        margin: in units of each picture's whole range of disparity.
    """
    return relative_nearness(source_depth) >= relative_nearness(target_depth) - margin
