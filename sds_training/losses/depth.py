"""Depth without labels: it is right if it explains how the neighbouring frames look."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from sds_perception.network.disparity import depth_from_disparity, inverse_depth
from sds_training.geometry import resized_intrinsics, warp
from sds_training.losses.photometric import Moments, moments_of
from sds_training.losses.reprojection import identity_error, minimum_reprojection
from sds_training.losses.smoothness import edge_aware_smoothness


class DepthLoss(NamedTuple):
    """The terms of L_D (method.md 1.4), unweighted."""

    photometric: Tensor  # scalar, mean over scales and pixels of the minimum reprojection error
    smoothness: Tensor  # scalar, mean over scales of smoothness / stride; its usual weight is 1e-3


class _Clip(NamedTuple):
    """The frames with all that the scales share."""

    target: Moments
    sources: Tensor  # (B, S, 3, H, W)
    identity: Tensor  # (B, S, H, W)
    source_from_target: Tensor  # (B, S, 4, 4)
    intrinsics: Tensor  # (B, 3, 3)
    depth_range: tuple[float, float]


def depth_distance(disparity: Tensor, other: Tensor, depth_range: tuple[float, float]) -> Tensor:
    """How far two depths are apart: the mean of |log(one / other)|.

    Args:
        disparity, other: (B, 1, h, w), sigmoid disparity in [0, 1].
        depth_range: nearest and farthest depth.

    Returns:
        Scalar without a unit: 0.1 is a tenth of the depth.
    """
    one, two = (inverse_depth(each.float(), depth_range) for each in (disparity, other))
    return (one.log() - two.log()).abs().mean()


def self_supervised_depth_loss(
    disparities: tuple[Tensor, ...],
    target: Tensor,
    sources: Tensor,
    source_from_target: Tensor,
    intrinsics: Tensor,
    depth_range: tuple[float, float],
    generator: torch.Generator,
    compare: str = 'full',
) -> DepthLoss:
    """L_D of method.md 1.4, in the clean frames' own colours.

    Args:
        disparities: (B, 1, h_s, w_s) each, sigmoid disparity in (0, 1), finest first.
        target: (B, 3, H, W) RGB in [0, 1], one or more frames that have neighbours.
        sources: (B, S, 3, H, W), the neighbouring frames.
        source_from_target: (B, S, 4, 4), translation in the unit of `depth_range`.
        intrinsics: (B, 3, 3), pixels of the full size.
        depth_range: nearest and farthest depth.
        generator: draws the automask's tie-breaking noise.
        compare: 'full' (method.md 1.4: every scale at full size, which keeps coarse disparities
            from copying texture into holes), 'own' (every scale against pictures reduced to its
            own size: from a random start a pixel of a coarse picture still finds its match when
            the first guess of depth is far off, and it costs a tenth) or 'finest' (the finest
            scale at full size, where a pixel of parallax is a pixel, the others at their own).
    """
    # Views come from the warp plane by plane; mixed with channels-last pictures it all slows down.
    target, sources = target.contiguous(), sources.contiguous()
    moments = moments_of(target)
    identity = identity_error(sources, moments, generator)
    clip = _Clip(moments, sources, identity, source_from_target, intrinsics, depth_range)
    full = {'full': len(disparities), 'finest': 1, 'own': 0}[compare]
    errors = [
        _error_at(each, clip if place < full else _reduced(clip, each.shape[-2:], generator))
        for place, each in enumerate(disparities)
    ]
    smooth = [_smoothness_at(each, target) for each in disparities]
    return DepthLoss(
        photometric=torch.stack([error.mean() for error in errors]).mean(),
        smoothness=torch.stack(smooth).mean(),
    )


def _reduced(clip: _Clip, size: torch.Size, generator: torch.Generator) -> _Clip:
    """The clip with pictures of another size, and the intrinsics that belong to them."""
    image, count = clip.target.image, clip.sources.shape[1]
    if image.shape[-2:] == size:
        return clip
    target = moments_of(F.interpolate(image, size=size, mode='area'))
    sources = F.interpolate(clip.sources.flatten(0, 1), size=size, mode='area')
    sources = sources.unflatten(0, (-1, count))
    intrinsics = resized_intrinsics(clip.intrinsics, image.shape[-2:], size)
    identity = identity_error(sources, target, generator)
    return clip._replace(target=target, sources=sources, identity=identity, intrinsics=intrinsics)


def _error_at(disparity: Tensor, clip: _Clip) -> Tensor:
    """(B, 1, H, W) error of a scale of disparity, brought to the size of the clip's pictures."""
    size = clip.target.image.shape[-2:]
    if disparity.shape[-2:] != size:
        disparity = F.interpolate(disparity, size=size, mode='bilinear', align_corners=False)
    depth = depth_from_disparity(disparity, clip.depth_range)
    views = [
        warp(clip.sources[:, s], depth, clip.source_from_target[:, s], clip.intrinsics)
        for s in range(clip.sources.shape[1])
    ]
    return minimum_reprojection(torch.stack(views, dim=1), clip.target, clip.identity)


def _smoothness_at(disparity: Tensor, target: Tensor) -> Tensor:
    """Smoothness at the disparity's own size, divided by its stride.

    With the finest disparity at full size the stride is method.md's 2^s. A network that ends at
    stride 4 starts with 4: its slopes per pixel are four times as steep.
    """
    image = F.interpolate(target, size=disparity.shape[-2:], mode='area')
    return edge_aware_smoothness(disparity, image) * (disparity.shape[-1] / target.shape[-1])
