"""One picture's part laid over another's, moved in depth on the way (method.md 3.1).

A thing that is s times as far along the road is s times smaller, and shrinks towards the point
where the road vanishes: the principal point behind a level camera, above it where the camera
looks down. So its foot stays on the ground without further work. Behind a lens of f' pixels,
where the source's had f, it is f'/f times as large besides.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Placement:
    """Where the pixels of a rectangle of the target come from in the source."""

    top: int  # the rectangle's first row in the target
    left: int
    height: int
    width: int
    scale: float = 1.0  # s f / f': source pixels for a pixel of the target
    depth_factor: float = 1.0  # s: what depth is multiplied by
    centre_px: tuple[float, float] = (0.0, 0.0)  # of the source (u, v), where its road vanishes
    moved_centre_px: tuple[float, float] = (0.0, 0.0)  # where that point comes to lie

    @property
    def window(self) -> tuple[slice, slice]:
        """The rectangle's rows and columns."""
        return (
            slice(self.top, self.top + self.height),
            slice(self.left, self.left + self.width),
        )

    @property
    def still(self) -> bool:
        """Whether nothing moves: every pixel comes from its own place."""
        return self.scale == 1.0 and self.centre_px == self.moved_centre_px

    def within(self, plane: Tensor) -> bool:
        """Whether all of the rectangle lies in (H, W)."""
        bottom, right = self.top + self.height, self.left + self.width
        return bottom <= plane.shape[0] and right <= plane.shape[1]

    def source_columns(self) -> Tensor:
        """(width,) source column, fractional, of each column of the rectangle."""
        return self._from(0, torch.arange(self.left, self.left + self.width))

    def source_rows(self) -> Tensor:
        """(height,) source row, fractional, of each row of the rectangle."""
        return self._from(1, torch.arange(self.top, self.top + self.height))

    def _from(self, axis: int, moved: Tensor) -> Tensor:
        centred = moved.double() - self.moved_centre_px[axis]
        return self.centre_px[axis] + self.scale * centred


@dataclass(frozen=True)
class Paste:
    """A part of one frame of the batch to be laid over another."""

    source: int  # which frame of the batch gives
    placement: Placement
    mask: Tensor  # (height, width) bool, the pixels of the rectangle that are taken
    alpha: Tensor | None = None  # (height, width) in [0, 1], the picture's soft mask; None: `mask`

    def to(self, device: torch.device | str) -> Paste:
        """The same paste with its masks on `device`."""
        alpha = None if self.alpha is None else self.alpha.to(device, non_blocking=True)
        mask = self.mask.to(device, non_blocking=True)
        return Paste(self.source, self.placement, mask, alpha)


def sample_linear(planes: Tensor, placement: Placement) -> Tensor:
    """Bilinear look-up of (C, H, W) in the rectangle: (C, height, width), the border repeated.

    The map only scales and shifts, so rows and columns are looked up one after the other; nothing
    outside the rectangle is touched.
    """
    if placement.still:
        return planes[:, placement.window[0], placement.window[1]]
    columns = placement.source_columns()
    first = int(columns[0].clamp(0, planes.shape[2] - 1))
    last = int(columns[-1].clamp(0, planes.shape[2] - 1)) + 2
    rows = _between(planes[:, :, first:last], placement.source_rows(), axis=1)
    return _between(rows, columns - first, axis=2)


def sample_nearest(plane: Tensor, placement: Placement, outside: int | float) -> Tensor:
    """Nearest look-up of (H, W) in the rectangle: (height, width), `outside` beyond the border."""
    if placement.still and placement.within(plane):
        return plane[placement.window]
    rows, row_inside = _nearest(placement.source_rows(), plane.shape[0])
    columns, column_inside = _nearest(placement.source_columns(), plane.shape[1])
    rows, columns, row_inside, column_inside = (
        each.to(plane.device, non_blocking=True)
        for each in (rows, columns, row_inside, column_inside)
    )
    inside = row_inside[:, None] & column_inside[None, :]
    taken = plane[rows][:, columns]
    return torch.where(inside, taken, outside)


def _between(planes: Tensor, position: Tensor, axis: int) -> Tensor:
    """Linear interpolation of (C, H, W) at fractional positions along one axis."""
    last = planes.shape[axis] - 1
    position = position.clamp(0, last)
    lower = position.floor()
    weight = (position - lower).to(planes, non_blocking=True)
    weight = weight[:, None] if axis == 1 else weight[None, :]
    lower = lower.long().to(planes.device, non_blocking=True)
    upper = (lower + 1).clamp(max=last)
    return torch.lerp(planes.index_select(axis, lower), planes.index_select(axis, upper), weight)


def _nearest(position: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Whole index, clamped, and whether the position lies in the picture at all."""
    index = (position + 0.5).floor().long()
    return index.clamp(0, size - 1), (index >= 0) & (index < size)
