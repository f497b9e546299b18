"""Disparity should change where the picture changes (method.md 1.4)."""

from __future__ import annotations

from torch import Tensor


def edge_aware_smoothness(disparity: Tensor, image: Tensor) -> Tensor:
    """Mean slope of the mean-normalised disparity, forgiven where the picture has an edge.

    Args:
        disparity: (B, 1, h, w), positive.
        image: (B, 3, h, w) in [0, 1], at the disparity's size.

    Returns:
        Scalar, zero for a constant disparity, unchanged when the disparity is multiplied.
    """
    relative = disparity / (disparity.mean(dim=(2, 3), keepdim=True) + 1e-7)
    total = relative.new_zeros(())
    for axis in (2, 3):
        slope = relative.diff(dim=axis).abs()
        edge = image.diff(dim=axis).abs().mean(dim=1, keepdim=True)
        total = total + (slope * (-edge).exp()).mean()
    return total
