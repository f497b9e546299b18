"""Rigid motions: from six numbers to 4 x 4 matrices, their inverses, and points moved by them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def rotation_from_axis_angle(axis_angle: Tensor) -> Tensor:
    """Rodrigues' formula: (B, 3), axis times angle in radians, to (B, 3, 3) rotations.

    Smooth at zero, where a freshly made pose network starts: the quotients by the angle are
    written with sinc, and the angle is kept off the root's singular point.
    """
    square = axis_angle.square().sum(dim=1)[:, None, None]
    angle = (square + 1e-12).sqrt()
    sine_over_angle = torch.sinc(angle / torch.pi)
    versine_over_square = 0.5 * torch.sinc(angle / (2 * torch.pi)).square()
    x, y, z = axis_angle.unbind(dim=1)
    zero = torch.zeros_like(x)
    cross = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), dim=1).view(-1, 3, 3)
    outer = axis_angle[:, :, None] * axis_angle[:, None, :]
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    cosine = 1 - versine_over_square * square
    return cosine * identity + sine_over_angle * cross + versine_over_square * outer


def rigid_transform(axis_angle: Tensor, translation: Tensor) -> Tensor:
    """Axis times angle (radians) and translation, both (B, 3), to matrices (B, 4, 4)."""
    upper = torch.cat((rotation_from_axis_angle(axis_angle), translation[:, :, None]), dim=2)
    return _with_last_row(upper)


def invert_rigid(transform: Tensor) -> Tensor:
    """Inverse of rigid (..., 4, 4) matrices, by transposing the rotation.

    No matrix product: mixed precision would round one to three digits.
    """
    rotation, translation = transform[..., :3, :3], transform[..., :3, 3:]
    moved_back = -(rotation * translation).sum(dim=-2)[..., None]
    return _with_last_row(torch.cat((rotation.transpose(-1, -2), moved_back), dim=-1))


def transform_points(points: Tensor, transform: Tensor) -> Tensor:
    """Move points (B, 3, H, W) by (B, 4, 4) matrices."""
    moved = torch.baddbmm(transform[:, :3, 3:], transform[:, :3, :3], points.flatten(2))
    return moved.unflatten(2, points.shape[2:])


def _with_last_row(upper: Tensor) -> Tensor:
    padded = F.pad(upper, (0, 0, 0, 1))
    padded[..., 3, 3] = 1
    return padded
