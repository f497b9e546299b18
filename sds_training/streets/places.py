"""Where things stand, and that no two of them stand in one place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sds_training.streets.mesh import Mesh
from sds_training.streets.path import Centreline
from sds_training.streets.street import KERB_M

Array = NDArray[np.float64]


def stand(
    mesh: Mesh, path: Centreline, s: float, left: float, turn: float = 0.0, z: float = KERB_M
) -> Mesh:
    """The mesh at a street point, `z` metres up, turned from the path's heading by `turn`."""
    return mesh.placed(path.point(s, left, z), float(path.heading_at(s)) + turn)


@dataclass(frozen=True)
class Footprint:
    """The rectangle something covers in each of F frames; F is 1 for what stands still."""

    centre: Array  # (F, 2) metres in the world
    heading: Array  # (F,)
    half: Array  # (2,) half its length and half its width, metres

    @cached_property
    def edges(self) -> Array:
        """(F, 2, 2) half the length and half the width, as vectors."""
        along = np.stack((np.cos(self.heading), np.sin(self.heading)), -1)
        across = np.stack((-along[:, 1], along[:, 0]), -1)
        return np.stack((along, across), 1) * self.half[:, None]

    def overlaps(self, other: Footprint) -> bool:
        """Whether the two share ground in any frame: no line along an edge keeps them apart."""
        between = other.centre - self.centre
        if np.hypot(*between.T).min() > np.hypot(*self.half) + np.hypot(*other.half):
            return False  # most pairs, and much cheaper
        apart = np.zeros(len(between), bool)
        both = self.edges, other.edges
        for axes in both:
            reach = sum(np.abs(axes @ edges.swapaxes(1, 2)).sum(-1) for edges in both)
            apart |= (np.abs(axes @ between[..., None])[..., 0] >= reach).any(-1)
        return not apart.all()


def footprint(
    shapes: Iterable[Mesh], path: Centreline, s: ArrayLike, left: ArrayLike, turn: float
) -> Footprint:
    """What something covers at street points, large enough for all shapes it takes."""
    half = np.max([np.abs(shape.corners[..., :2]).max((0, 1)) for shape in shapes], axis=0)
    s, left = np.atleast_1d(s), np.atleast_1d(left)
    return Footprint(path.point(s, left)[:, :2], path.heading_at(s) + turn, half)


class Places:
    """Who has taken which ground; first come, first served."""

    def __init__(self) -> None:
        self._taken: list[Footprint] = []

    def claim(self, place: Footprint) -> bool:
        """Take the place if all of it is free in every frame, and say whether it was."""
        if any(place.overlaps(other) for other in self._taken):
            return False
        self._taken.append(place)
        return True
