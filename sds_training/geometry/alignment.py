"""Direct alignment: the small turn of a camera after which a neighbouring frame fits the target.

Where a turn moves a pixel does not depend on the pixel's depth, so all pixels together find a turn
of a tenth of a pixel, though depth is still vague: Gauss-Newton on grey values (Lucas and Kanade,
IJCAI 1981), coarse to fine, deaf to what moves or is hidden.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from sds_training.geometry.motion import rigid_transform
from sds_training.geometry.projection import backproject, resized_intrinsics
from sds_training.geometry.warp import warp

PITCH, YAW, ROLL = 0, 1, 2  # turns about the camera's x, y and z axis
LEVELS = ((4, 2), (2, 2), (1, 3))  # reduction of the depth's size, and steps there
LEAST_ROWS = 12  # a smaller picture shows no turn
OUTLIER_SCALE = 2.0  # times the typical difference: what differs more hardly counts
DARK = 1e-3  # grey values differ by this anyway
LARGEST = 0.02  # radians in all; a larger turn between video frames is a mistake


class _Pairs(NamedTuple):
    """Targets, each beside one source, (P, 1, h, w) and smooth."""

    target: Tensor
    source: Tensor
    depth: Tensor
    intrinsics: Tensor  # (P, 3, 3)

    def reduced(self, by: int) -> _Pairs:
        """The same, `by` times smaller; depth by its mean nearness."""
        target, source = (F.avg_pool2d(each, by) for each in (self.target, self.source))
        depth = F.avg_pool2d(self.depth.reciprocal(), by).reciprocal()
        old, new = self.target.shape[-2:], target.shape[-2:]
        at = resized_intrinsics(self.intrinsics, old, new)
        return _Pairs(_smooth(target), _smooth(source), depth, at)


def turned_to_fit(
    target: Tensor,
    sources: Tensor,
    depth: Tensor,
    source_from_target: Tensor,
    intrinsics: Tensor,
    axes: tuple[int, ...] = (PITCH, YAW, ROLL),
) -> Tensor:
    """Motions after which each source, warped, fits the target best: turned a little, not moved.

    The source cameras turn where they are. What is found has no graph; the motions keep theirs.

    Args:
        target: (B, 3, H, W) RGB in [0, 1].
        sources: (B, S, 3, H, W), the neighbouring frames.
        depth: (B, 1, h, w) of the target; the pictures are compared at this size.
        source_from_target: (B, S, 4, 4), translation in the unit of depth.
        intrinsics: (B, 3, 3), pixels of H x W.
        axes: which of PITCH, YAW and ROLL are open.

    Returns:
        (B, S, 4, 4).
    """
    count = sources.shape[1]
    motion = source_from_target.flatten(0, 1)
    with torch.no_grad():
        pairs = _pairs(target, sources, depth, intrinsics)
        turn = torch.zeros_like(motion[:, :3, 3])
        for reduction, steps in LEVELS:
            if pairs.target.shape[-2] < LEAST_ROWS * reduction:
                continue
            level = pairs.reduced(reduction)
            flow = _flow_of_turns(level, axes)
            for _ in range(steps):
                more = _step(level, flow, _turned(motion, turn), axes)
                turn = (turn + more).clamp(-LARGEST, LARGEST)
    return _turned(motion, turn).unflatten(0, (-1, count))


def _pairs(target: Tensor, sources: Tensor, depth: Tensor, intrinsics: Tensor) -> _Pairs:
    count, whole, own = sources.shape[1], target.shape[-2:], depth.shape[-2:]
    pictures = torch.cat((target[:, None], sources), dim=1).mean(dim=2)
    grey = F.interpolate(pictures, size=own, mode='area')[:, :, None]
    at = resized_intrinsics(intrinsics, whole, own)
    return _Pairs(
        grey[:, :1].expand(-1, count, -1, -1, -1).flatten(0, 1),
        grey[:, 1:].flatten(0, 1),
        depth.detach().repeat_interleave(count, dim=0),
        at.repeat_interleave(count, dim=0),
    )


def _turned(motion: Tensor, turn: Tensor) -> Tensor:
    return rigid_transform(turn, torch.zeros_like(turn)) @ motion


def _step(
    pairs: _Pairs, flow: tuple[Tensor, Tensor], motion: Tensor, axes: tuple[int, ...]
) -> Tensor:
    """One Gauss-Newton step: (P, 3) radians, zero about the axes that are not open."""
    view = warp(pairs.source, pairs.depth, motion, pairs.intrinsics)
    residual = view - pairs.target  # (P, 1, h, w)
    along_x, along_y = _slopes((view + pairs.target) / 2)
    by_turn = along_x * flow[0] + along_y * flow[1]  # (P, A, h, w), per radian
    by_exposure = torch.ones_like(residual)  # which may change from frame to frame
    jacobian = torch.cat((by_turn, by_exposure), dim=1).flatten(2)
    weighted = jacobian * _weight(residual).flatten(2)
    normal = weighted @ jacobian.transpose(1, 2)
    normal = normal + 1e-6 * torch.diag_embed(normal.diagonal(dim1=1, dim2=2) + 1e-9)
    rhs = weighted @ residual.flatten(2).transpose(1, 2)
    found, _ = torch.linalg.solve_ex(normal, rhs)  # what has no solution comes out as NaN
    turn = residual.new_zeros(len(residual), 3)
    for place, axis in enumerate(axes):
        turn[:, axis] = -found[:, place, 0]
    return turn.nan_to_num(0.0, 0.0, 0.0)


def _weight(residual: Tensor) -> Tensor:
    """(P, 1, h, w): near 1 where the pictures differ as usual, near 0 where much, 0 at the rim."""
    typical = residual.abs().flatten(1).median(dim=1).values.view(-1, 1, 1, 1) * 1.48 + DARK
    weight = (1 + (residual / (OUTLIER_SCALE * typical)).square()).square().reciprocal()
    rim = max(2, residual.shape[-2] // 32)  # what is warped there may lie outside the source
    inside = F.pad(torch.ones_like(residual[..., rim:-rim, rim:-rim]), (rim, rim, rim, rim))
    return weight * inside


def _flow_of_turns(pairs: _Pairs, axes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Where a turn of one radian moves each pixel to: u and v for each of `axes`.

    (P, A, h, w) each. Depth does not enter.
    """
    x, y, one = backproject(torch.ones_like(pairs.depth), pairs.intrinsics).unbind(dim=1)
    k = pairs.intrinsics[:, :, :, None, None]
    along_u, along_v = (-x * y, one + x * x, -y), (-one - y * y, x * y, x)
    u = torch.stack([along_u[axis] for axis in axes], dim=1) * k[:, 0, :1]
    v = torch.stack([along_v[axis] for axis in axes], dim=1) * k[:, 1, 1:2]
    return u, v


def _slopes(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences along x and y, (P, 1, h, w) each."""
    wide = F.pad(picture, (1, 1, 1, 1), mode='replicate')
    along_x = (wide[..., 1:-1, 2:] - wide[..., 1:-1, :-2]) / 2
    along_y = (wide[..., 2:, 1:-1] - wide[..., :-2, 1:-1]) / 2
    return along_x, along_y


def _smooth(picture: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(picture, (1, 1, 1, 1), mode='replicate'), 3, stride=1)
