"""What the ground tells about depth, once semantics says what stands on it (method.md 5).

The road is a plane below the camera, whose mounting says where (the idea of a ground constraint:
GroCo, arXiv 2409.14850). A thing is as far as the ground at its foot (ground-contact prior: Moon
et al., CVPR 2024, arXiv 2312.10118), also where it moves and no neighbouring frame can tell.
Distances here are in camera heights, so that depth needs no unit to be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sds_perception.labels import ROAD
from sds_training.constants import constant
from sds_training.geometry import backproject
from sds_training.losses.feet import LEAST_DOWN, groups_of, nearness_of_feet, only_bounded


class GroundLoss(NamedTuple):
    """Mean |log of depth over what the ground says|; zero, with a graph, where it says nothing."""

    road: Tensor  # scalar, over road pixels of frames whose mounting is known
    standing: Tensor  # scalar, over things whose foot on the ground is seen, see mean_over_classes


def ground_loss(depth: Tensor, label: Tensor, plane: Tensor, intrinsics: Tensor) -> GroundLoss:
    """How far depth contradicts the ground.

    Args:
        depth: (B, 1, h, w); in metres for the road term, in any unit for the standing one.
        label: (B, h, w) integer train ids, 255 where nobody knows.
        plane: (B, 4), the ground in the camera's frame: unit vector down and metres to it; NaN
            where the mounting is unknown, and a level camera is assumed for the standing term.
        intrinsics: (B, 3, 3), pixels of the depth's size.
    """
    level = constant((0.0, 1.0, 0.0), plane.dtype, plane.device)
    down = torch.where(plane[:, :3].isfinite(), plane[:, :3], level)
    slope = slope_of_rays(down, intrinsics, depth.shape[-2:])
    return GroundLoss(
        _road_error(depth, label, slope, plane[:, 3]),
        _standing_error(depth, label, slope, intrinsics[:, 0, 0]),
    )


def slope_of_rays(down: Tensor, intrinsics: Tensor, size: Sequence[int]) -> Tensor:
    """How fast each pixel's ray goes down per unit of depth: (B, 1, h, w).

    On the ground, depth times slope is the camera's height.
    """
    rays = backproject(down.new_ones(len(down), 1, *size), intrinsics)
    return (down[:, :, None, None] * rays).sum(dim=1, keepdim=True)


def _road_error(depth: Tensor, label: Tensor, slope: Tensor, height_m: Tensor) -> Tensor:
    known = (label == ROAD)[:, None] & (slope > LEAST_DOWN)
    known = known & height_m.isfinite().view(-1, 1, 1, 1)
    height_m = torch.where(height_m.isfinite(), height_m, torch.ones_like(height_m))
    error = (depth * slope.clamp(min=LEAST_DOWN) / height_m.view(-1, 1, 1, 1)).log().abs()
    return mean_where(known, error)


def _standing_error(depth: Tensor, label: Tensor, slope: Tensor, focal_px: Tensor) -> Tensor:
    group = groups_of(label)
    nearness, known = nearness_of_feet(depth.detach(), group, slope, focal_px)
    off = (depth * nearness).log()
    error = torch.where(only_bounded(group), off.clamp(min=0), off.abs())
    return mean_over_classes(known, error, label)


def mean_where(known: Tensor, error: Tensor) -> Tensor:
    """Mean of `error` over `known`; exactly zero, with a graph, where nothing is known."""
    return torch.where(known, error, torch.zeros_like(error)).sum() / known.sum().clamp(min=1)


def mean_over_classes(known: Tensor, error: Tensor, label: Tensor) -> Tensor:
    """Mean of `error` over `known`, in which a class counts as the root of its pixels.

    Pixel by pixel the houses speak and riders are not heard, whose depth only the ground tells:
    they move (docs/training_notes.md).

    Args:
        known: (B, 1, h, w) bool.
        error: (B, 1, h, w).
        label: (B, h, w) train ids.
    """
    label = label.long()[:, None]
    # As bincount of what is known, which a CUDA device would have to be waited for.
    pixels = error.new_zeros(256).scatter_add_(0, label.flatten(), known.flatten().to(error))
    weight = pixels.clamp(min=1).rsqrt()[label] * known
    total = (weight * torch.where(known, error, torch.zeros_like(error))).sum()
    return total / weight.sum().clamp(min=1e-6)
