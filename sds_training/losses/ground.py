"""What the ground tells about depth, once semantics says where it is and what stands on it.

The road is a plane below the camera, whose mounting says where (the idea of a ground constraint:
GroCo, arXiv 2409.14850). A thing is as far as the ground at its foot (ground-contact prior: Moon
et al., CVPR 2024, arXiv 2312.10118), also where it moves and no neighbouring frame can tell.
Distances here are in camera heights, so that depth needs no unit to be compared.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from sds_perception.labels import ROAD, TRAIN_ID

LEAST_DOWN = 0.02  # slope of rays that still meet the ground: 50 camera heights ahead
GROUND = ('road', 'sidewalk', 'terrain')
TALLEST = {  # in camera heights over the ground; what is higher stands somewhere behind
    'building': 10.0,
    'wall': 2.0,
    'fence': 1.5,
    'pole': 4.0,
    'person': 1.4,
    'rider': 1.4,
    'car': 1.4,
    'truck': 2.5,
    'bus': 2.5,
    'train': 2.5,
    'motorcycle': 1.4,
    'bicycle': 1.4,
}
RIDDEN = ('rider', 'motorcycle', 'bicycle')  # a rider's feet are his bicycle's
FOOT_BESIDE = {  # camera heights sideways to the next foot or wheel: in between one sees through
    'person': 0.4,
    'rider': 0.4,
    'car': 0.2,
    'truck': 2.0,
    'bus': 0.5,
    'train': 0.4,
}
CLEAR_OF_EDGE_PX = (
    4  # rows below a foot where the ground's depth no longer blends with the thing's
)
MOST_BESIDE_PX = 128  # farther sideways nobody looks for a foot
SEEN_UNDER = ('truck',)  # so long between wheels that the ground below can only be a bound


class GroundLoss(NamedTuple):
    """Mean |log of depth over what the ground says|; zero, with a graph, where it says nothing."""

    road: Tensor  # scalar, over road pixels of frames whose mounting is known
    standing: Tensor  # scalar, over things whose foot on the ground is seen


def ground_loss(depth: Tensor, label: Tensor, plane: Tensor, intrinsics: Tensor) -> GroundLoss:
    """How far depth contradicts the ground.

    Args:
        depth: (B, 1, h, w); in metres for the road term, in any unit for the standing one.
        label: (B, h, w) integer train ids, 255 where nobody knows.
        plane: (B, 4), the ground in the camera's frame: unit vector down and metres to it; NaN
            where the mounting is unknown, and a level camera is assumed for the standing term.
        intrinsics: (B, 3, 3), pixels of the depth's size.
    """
    level = plane.new_tensor((0.0, 1.0, 0.0))
    down = torch.where(plane[:, :3].isfinite(), plane[:, :3], level)
    slope = slope_of_rays(down, intrinsics, (depth.shape[-2], depth.shape[-1]))
    return GroundLoss(
        _road_error(depth, label, slope, plane[:, 3]),
        _standing_error(depth, label, slope, intrinsics[:, 0, 0]),
    )


def slope_of_rays(down: Tensor, intrinsics: Tensor, size: tuple[int, int]) -> Tensor:
    """How fast each pixel's ray goes down per unit of depth: (B, 1, h, w).

    On the ground, depth times slope is the camera's height.
    """
    row = torch.arange(size[0], device=down.device, dtype=down.dtype)
    column = torch.arange(size[1], device=down.device, dtype=down.dtype)
    x = (column - intrinsics[:, 0, 2, None]) / intrinsics[:, 0, 0, None]  # (B, w)
    y = (row - intrinsics[:, 1, 2, None]) / intrinsics[:, 1, 1, None]  # (B, h)
    across, along, ahead = down[:, :, None].unbind(dim=1)
    return ((across * x)[:, None, :] + (along * y)[:, :, None] + ahead[:, :, None])[:, None]


def _road_error(depth: Tensor, label: Tensor, slope: Tensor, height_m: Tensor) -> Tensor:
    known = (label == ROAD)[:, None] & (slope > LEAST_DOWN)
    known = known & height_m.isfinite().view(-1, 1, 1, 1)
    height_m = torch.where(height_m.isfinite(), height_m, torch.ones_like(height_m))
    error = (depth * slope.clamp(min=LEAST_DOWN) / height_m.view(-1, 1, 1, 1)).log().abs()
    return mean_where(known, error)


def _standing_error(depth: Tensor, label: Tensor, slope: Tensor, focal_px: Tensor) -> Tensor:
    foot, known = feet(label, slope)
    nearness = _nearness_of_ground(depth.detach(), label, slope, foot)
    pixel_per_height = slope.gather(2, foot) * focal_px.view(-1, 1, 1, 1)
    for name, reach in FOOT_BESIDE.items():
        those = _same_group(label, name) & known
        if bool(those.any()):
            seen = torch.where(those, nearness, torch.zeros_like(nearness))
            beside = _greatest_beside(seen, reach * pixel_per_height)
            nearness = torch.where(those, beside, nearness)
    off = (depth * nearness).log()
    bounded = sum(label == TRAIN_ID[name] for name in SEEN_UNDER).bool()[:, None]  # type: ignore
    return mean_where(known, torch.where(bounded, off.clamp(min=0), off.abs()))


def _nearness_of_ground(depth: Tensor, label: Tensor, slope: Tensor, foot: Tensor) -> Tensor:
    """1 / depth of the ground at the upper edge of row `foot`, (B, 1, h, w).

    How far below the camera the ground lies is read a few rows further down and carried up. At
    the edge itself predicted depth blends with the thing's, and each draws the other nearer (on
    streets buildings came out at 0.60 of their distance after 300 steps, 0.72 this way).
    """
    ground = _GROUP.to(label.device)[label.long()][:, None] == _GROUND
    below = (foot + CLEAR_OF_EDGE_PX).clamp(max=depth.shape[2] - 1)
    below = torch.where(ground.gather(2, below), below, foot)
    height = (depth * slope).gather(2, below).clamp(min=1e-6)
    edge = (slope.gather(2, foot) + slope.gather(2, (foot - 1).clamp(min=0))) / 2
    return edge.clamp(min=1e-6) / height


def feet(label: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
    """Where each standing thing touches the ground, straight below each of its pixels.

    Args:
        label: (B, h, w) train ids.
        slope: (B, 1, h, w) from `slope_of_rays`.

    Returns:
        (B, 1, h, w): the row of the ground just below, and whether there is one, in sight, near
        enough to the pixel to belong to the same thing.
    """
    group = _GROUP.to(label.device)[label.long()][:, None]
    height = group.shape[2]
    row = torch.arange(height, device=label.device).view(1, 1, -1, 1).expand_as(group)
    ends = torch.ones_like(group, dtype=torch.bool)  # the last pixel of a vertical run
    ends[:, :, :-1] = group[:, :, 1:] != group[:, :, :-1]
    last = torch.where(ends, row, height).flip(2).cummin(dim=2).values.flip(2)
    foot = (last + 1).clamp(max=height - 1)
    foot_slope = slope.gather(2, foot)
    touches = (group.gather(2, foot) == _GROUND) & (last + 1 < height)
    seen = touches & (group > _GROUND) & (foot_slope > LEAST_DOWN)
    rise = 1 - slope / foot_slope.clamp(min=LEAST_DOWN)  # in camera heights over the ground
    return foot, seen & (rise <= _TALLEST.to(label.device)[label.long()][:, None])


def mean_where(known: Tensor, error: Tensor) -> Tensor:
    """Mean of `error` over `known`; exactly zero, with a graph, where nothing is known."""
    return torch.where(known, error, torch.zeros_like(error)).sum() / known.sum().clamp(min=1)


def _greatest_beside(value: Tensor, reach_px: Tensor) -> Tensor:
    """The greatest value of (B, 1, h, w) in the same row within about `reach_px` columns.

    Windows grow by doubling: the greatest of two that overlap is that of one twice as wide.
    """
    greatest, widest, radius = value, F.max_pool2d(value, (1, 3), stride=1, padding=(0, 1)), 1
    while radius < min(MOST_BESIDE_PX, value.shape[3]):
        greatest = torch.where(reach_px >= radius, widest, greatest)
        left = F.pad(widest, (radius, 0))[..., :-radius]
        right = F.pad(widest, (0, radius))[..., radius:]
        widest, radius = torch.maximum(left, right), 2 * radius
    return greatest


def _same_group(label: Tensor, name: str) -> Tensor:
    group = _GROUP.to(label.device)
    return (group[label.long()] == group[TRAIN_ID[name]])[:, None]


_GROUND = 1  # number of the ground's group; 0 is what neither stands nor carries


def _groups() -> Tensor:
    """(256,) by train id: pixels of one group, one above the other, are one thing."""
    group = torch.zeros(256, dtype=torch.long)
    group[[TRAIN_ID[name] for name in GROUND]] = _GROUND
    for number, name in enumerate(TALLEST, start=_GROUND + 1):
        group[TRAIN_ID[name]] = number
    group[[TRAIN_ID[name] for name in RIDDEN]] = group[TRAIN_ID[RIDDEN[0]]].clone()
    return group


def _limits() -> Tensor:
    """(256,) by train id: how tall a thing may be, in camera heights."""
    limit = torch.zeros(256)
    for name, heights in TALLEST.items():
        limit[TRAIN_ID[name]] = heights
    return limit


_GROUP, _TALLEST = _groups(), _limits()
