"""View synthesis: what a source frame shows at each pixel of the target frame."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from sds_training.constants import constant
from sds_training.geometry.motion import transform_points
from sds_training.geometry.projection import backproject, project


def warp(source: Tensor, depth: Tensor, source_from_target: Tensor, intrinsics: Tensor) -> Tensor:
    """Rebuild the target frame by looking up each of its points in a source frame.

    Args:
        source: (B, C, H, W), the frame that is read.
        depth: (B, 1, H, W), of the target frame.
        source_from_target: (B, 4, 4), takes points of the target camera to the source camera.
        intrinsics: (B, 3, 3), pixels, of both frames.

    Returns:
        (B, C, H, W), bilinear; pixels that fall outside the source take its nearest border.
    """
    points = transform_points(backproject(depth, intrinsics), source_from_target)
    pixels = project(points, intrinsics)
    return F.grid_sample(
        source, _unit_grid(pixels), mode='bilinear', padding_mode='border', align_corners=True
    )


def _unit_grid(pixels: Tensor) -> Tensor:
    """(B, H, W, 2) pixels to grid_sample's coordinates: -1 and +1 are the outer pixel centres."""
    height, width = pixels.shape[1:3]
    scale = (2 / max(width - 1, 1), 2 / max(height - 1, 1))
    return pixels * constant(scale, pixels.dtype, pixels.device) - 1
