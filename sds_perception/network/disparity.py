"""Sigmoid disparity and depth: one place only."""

from __future__ import annotations

from typing import TypeVar

Array = TypeVar('Array')  # torch.Tensor, numpy.ndarray or float


def depth_from_disparity(disparity: Array, depth_range: tuple[float, float]) -> Array:
    """Depth, in the unit of `depth_range`, of sigmoid disparity in [0, 1]; any shape."""
    return 1.0 / inverse_depth(disparity, depth_range)  # type: ignore


def inverse_depth(disparity: Array, depth_range: tuple[float, float]) -> Array:
    """1 / depth of sigmoid disparity, linear in it: 1 is the nearest depth, 0 the farthest.

    See method.md 1.2.
    """
    nearest, farthest = depth_range
    return 1.0 / farthest + (1.0 / nearest - 1.0 / farthest) * disparity  # type: ignore


def disparity_from_depth(depth: Array, depth_range: tuple[float, float]) -> Array:
    """The inverse of `depth_from_disparity`."""
    nearest, farthest = depth_range
    return (1.0 / depth - 1.0 / farthest) / (1.0 / nearest - 1.0 / farthest)  # type: ignore
