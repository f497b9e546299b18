"""What all vehicles are made of: materials of one class, wheels, lamps and number plates."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sds_training.streets.mesh import Material, Mesh, join
from sds_training.streets.shapes import box, boxes, disc, tube
from sds_training.streets.street import LABEL_ID

PAINTS = np.array(
    [[0.6, 0.6, 0.6], [0.35, 0.36, 0.38], [0.03, 0.03, 0.035], [0.12, 0.13, 0.14],
     [0.35, 0.02, 0.02], [0.03, 0.08, 0.3], [0.02, 0.15, 0.1], [0.5, 0.36, 0.05],
     [0.25, 0.4, 0.5], [0.3, 0.22, 0.15], [0.7, 0.7, 0.68], [0.55, 0.2, 0.05]]
)  # fmt: skip
GREYS = 4  # the first of them
_YELLOW = 0.25  # share of the plates behind


class Coachwork(NamedTuple):
    """A vehicle's materials, all of one class."""

    paint: Material
    glass: Material
    rubber: Material
    metal: Material

    def lit(self, color: tuple[float, float, float], glow: float) -> Material:
        """A lamp of the same class."""
        return self.metal._replace(tint=color, glow=glow, gloss=0.0)


def coachwork(
    label: str, color: NDArray[np.float64], details: np.random.Generator | None
) -> Coachwork:
    """Paint of this colour with glass, rubber and metal of the same class."""
    number, paint, glass, dark = LABEL_ID[label], 0.1, 0.32, 1.0
    if details:
        dark = details.uniform(0.3, 1.2)
        paint, glass = float(details.uniform(0.05, 0.16)), float(details.uniform(0.1, 0.35))
    return Coachwork(
        Material(number, 'paint', gloss=paint).tinted(color),
        Material(number, 'glass', gloss=glass).tinted(np.array((0.035, 0.04, 0.045)) * dark),
        Material(number, 'plain', (0.018, 0.018, 0.018)),
        Material(number, 'plain', (0.3, 0.3, 0.31), gloss=0.15),
    )


def ring(x: float, w: float, low: float, top: float) -> list[tuple[float, float, float]]:
    """A rounded cross section of a body."""
    side = [(w * 0.9, low), (w, low + 0.2), (w, top - 0.16), (w * 0.9, top)]
    return [(x, y, z) for y, z in side] + [(x, -y, z) for y, z in side[::-1]]


def wheels(axles: tuple[float, ...], half_width: float, radius: float, parts: Coachwork) -> Mesh:
    """A pair of wheels at each of `axles`."""
    left = _wheel(radius, parts.rubber, parts.metal).placed((0, half_width + 0.015, radius))
    return join(w.placed((x, 0, 0)) for x in axles for w in (left, left.mirrored()))


@cache
def _wheel(radius: float, rubber: Material, metal: Material) -> Mesh:
    """A left wheel with its dark arch, its outer face at the origin."""
    facing = np.pi / 2
    return join([
        tube((0, -0.235, 0), (0, 0, 0), radius, rubber, 14),
        disc((0, -0.01, 0.04), facing, radius * 1.18, rubber, 14),
        disc((0, 0.01, 0), facing, radius * 0.6, metal, 10),
    ])  # fmt: skip


class Lamps(NamedTuple):
    """How lamps and number plates look; metres."""

    front_glow: float = 0.25
    back_glow: float = 0.25
    side: float = 0.66  # where the middle of a rear lamp is, of half the width
    wide: float = 0.15  # half of a rear lamp
    foot: float = -0.08  # of a rear lamp, from the height of the lamps
    tall: float = 0.18
    plate: float = -0.28  # height of the rear plate, from that of the lamps
    yellow: bool = False  # the rear plate
    proud: float = 0.02  # how far plates stand out


def _draw_lamps(details: np.random.Generator, half_width: float) -> Lamps:
    front, back = float(details.uniform(0.1, 0.5)), float(details.choice([0.05, 0.3, 1.2]))
    yellow = bool(details.random() < _YELLOW)
    wide, tall = float(details.uniform(0.1, 0.17)), float(details.uniform(0.06, 0.2))
    plate = float(details.choice([-0.28, -0.04]))  # in the bumper or above it
    side = 0.84 - wide / half_width
    return Lamps(front, back, side, wide, 0.02 - tall, 2 * tall, plate, yellow, 0.03)


def lamps(
    half: float, w: float, z: float, parts: Coachwork, details: np.random.Generator | None
) -> list[Mesh]:
    """Lamps, number plates and a grille at both ends of a vehicle of `half` its length."""
    how = _draw_lamps(details, w) if details else Lamps()
    white = parts.lit((0.75, 0.75, 0.7), how.front_glow)
    red = parts.lit((0.5, 0.015, 0.015), how.back_glow)
    plate = parts.lit((0.7, 0.7, 0.66), 0.0)
    plate_back = parts.lit((0.62, 0.45, 0.05), 0.0) if how.yellow else plate
    side, low = np.array([[1.0], [-1.0]]), z + how.plate
    front = np.column_stack((np.full(2, half - 0.2), side * (w * 0.66) - 0.19,
                             np.full(2, z - 0.07)))  # fmt: skip
    back = np.column_stack((np.full(2, -half - 0.01), side * (w * how.side) - how.wide,
                            np.full(2, z + how.foot)))  # fmt: skip
    return [
        boxes(front, front + (0.16, 0.38, 0.15), white),
        boxes(back, back + (0.1, 2 * how.wide, how.tall), red),
        box((-half - how.proud, -0.26, low), (-half + 0.05, 0.26, low + 0.12), plate_back),
        box((half - 0.05, -0.26, z - 0.34), (half + how.proud, 0.26, z - 0.22), plate),
        box((half - 0.05, -w * 0.5, z - 0.2), (half + 0.012, w * 0.5, z - 0.04), parts.rubber),
    ]
