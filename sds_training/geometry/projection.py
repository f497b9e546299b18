"""Between pixels and points of a pinhole camera without skew.

Pixel centres lie at integer coordinates, as in `sds_perception.camera`. The camera looks along
+z; x points right and y down. The unit of points is the unit of depth.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sds_training.constants import constant

NEAREST_Z = 1e-3  # points nearer or behind the camera are projected as if at this depth


def backproject(depth: Tensor, intrinsics: Tensor) -> Tensor:
    """Lift every pixel to its point in the camera's frame.

    Args:
        depth: (B, 1, H, W), along the optical axis.
        intrinsics: (B, 3, 3), pixels.

    Returns:
        (B, 3, H, W) points, in the unit of depth.
    """
    height, width = depth.shape[-2:]
    column = torch.arange(width, device=depth.device, dtype=depth.dtype)
    row = torch.arange(height, device=depth.device, dtype=depth.dtype)
    x = (column - intrinsics[:, 0, 2, None]) / intrinsics[:, 0, 0, None]  # (B, W)
    y = (row - intrinsics[:, 1, 2, None]) / intrinsics[:, 1, 1, None]  # (B, H)
    return torch.cat((depth * x[:, None, None, :], depth * y[:, None, :, None], depth), dim=1)


def project(points: Tensor, intrinsics: Tensor) -> Tensor:
    """Where the camera sees points: (B, 3, H, W) to pixels (u, v), (B, H, W, 2).

    A point at or behind the camera gets a pixel far away on its own side, never a mirrored one.
    """
    inverse_z = points[:, 2].clamp(min=NEAREST_Z).reciprocal()  # (B, H, W)
    k = intrinsics[..., None, None]
    u = k[:, 0, 0] * points[:, 0] * inverse_z + k[:, 0, 2]
    v = k[:, 1, 1] * points[:, 1] * inverse_z + k[:, 1, 2]
    return torch.stack((u, v), dim=-1)


def resized_intrinsics(intrinsics: Tensor, old: Sequence[int], new: Sequence[int]) -> Tensor:
    """(B, 3, 3) intrinsics of pictures of size `old` = (H, W), for the same pictures at `new`."""
    scale = constant((new[1] / old[1], new[0] / old[0]), intrinsics.dtype, intrinsics.device)
    resized = intrinsics.clone()
    resized[:, :2, :2] *= scale[:, None]
    resized[:, :2, 2] = (resized[:, :2, 2] + 0.5) * scale - 0.5  # as Camera.resized
    return resized
