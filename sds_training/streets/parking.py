"""What is parked: vehicles at the kerb and two-wheelers on the sidewalk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from sds_training.streets import people, vehicles
from sds_training.streets.mesh import Mesh
from sds_training.streets.path import Centreline
from sds_training.streets.places import Places, footprint, stand
from sds_training.streets.street import KERB_M, Side, Street, blocks
from sds_training.streets.style import Style

_VEHICLES_TO_M, _TWO_WHEELERS_TO_M = 170.0, 60.0  # farther away nobody makes them out


class Spot(NamedTuple):
    """Something parked and its street point."""

    shape: Mesh
    s: float
    left: float
    turn: float  # from the path's heading
    z: float


def draw_parked(
    rng: np.random.Generator, street: Street, path: Centreline, places: Places
) -> list[Mesh]:
    """All that is parked on both sides, in the world; it leaves out what would not find room."""
    found = []
    for side in (street.left, street.right):
        density = rng.uniform(0.5, 1.0)
        for stretch in blocks(street):
            spots = [*_at_the_kerb(rng, side, stretch, density, street.style)]
            spots += _two_wheelers(rng, side, stretch)
            for shape, s, left, turn, z in spots:
                if places.claim(footprint([shape], path, s, left, turn)):
                    found.append(stand(shape, path, s, left, turn, z))
    return found


def _at_the_kerb(
    rng: np.random.Generator, side: Side, stretch: tuple[float, float], density: float,
    style: Style,
) -> Iterator[Spot]:  # fmt: skip
    """Cars, now and then a truck or a bus."""
    s, end = max(stretch[0], -12.0) + 6.0, min(stretch[1], _VEHICLES_TO_M) - 6.0
    while side.parking and s < end:
        kind = rng.choice(['car', 'truck', 'bus'], p=[0.86, 0.09, 0.05])
        vehicle = vehicles.MAKERS[str(kind)](rng, style)
        half = vehicle.length_m / 2
        if rng.random() < density and s + 2 * half < end:
            left = side.at(-1.1 + float(rng.normal(0, 0.06)))
            yield Spot(vehicle, s + half, left, side.turn, 0.0)
        s += 2 * half + rng.uniform(0.6, 1.6)


def _two_wheelers(
    rng: np.random.Generator, side: Side, stretch: tuple[float, float]
) -> Iterator[Spot]:
    """Bicycles and motorcycles, along the road, across it or askew."""
    start, end = max(stretch[0], -12.0) + 6.0, min(stretch[1] - 6.0, _TWO_WHEELERS_TO_M)
    if start >= end:
        return
    for s in rng.uniform(start, end, int(rng.integers(0, 5))):
        make = people.bicycle if rng.random() < 0.55 else people.motorcycle
        turn = rng.choice([0.0, 0.4, np.pi / 2]) + rng.normal(0, 0.1)
        yield Spot(make(rng), float(s), side.at(side.verge_m + 0.75), float(turn), KERB_M)
