"""Passenger cars and vans; x forward, standing at the origin."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sds_training.streets.coachwork import PAINTS, Coachwork, coachwork, lamps, ring, wheels
from sds_training.streets.mesh import Material, Mesh, join
from sds_training.streets.shapes import box, loft, plate, tube
from sds_training.streets.style import Style

_MORE_GREYS = np.array(
    [[0.07, 0.075, 0.08], [0.2, 0.2, 0.21], [0.04, 0.045, 0.07], [0.45, 0.46, 0.48]]
)
_PAINTS = np.concatenate((PAINTS, _MORE_GREYS))  # half of all cars are grey
_PLASTIC = 0.4  # share of the cars whose bumpers are not painted


class CarShape(NamedTuple):
    """A car's silhouette in metres: cabin x at the belt and at the roof, front to back."""

    length: float
    width: float
    height: float
    belt: float
    hood: float
    tail: float
    cabin: tuple[float, float, float, float]  # belt front, roof front, roof back, belt back


_CARS: dict[str, CarShape] = {
    'hatch': CarShape(4.1, 1.76, 1.47, 0.93, 0.86, 0.93, (1.05, 0.35, -1.45, -1.95)),
    'saloon': CarShape(4.7, 1.83, 1.44, 0.93, 0.85, 0.95, (0.95, 0.2, -1.15, -1.85)),
    'estate': CarShape(4.7, 1.82, 1.5, 0.95, 0.87, 0.95, (1.05, 0.35, -1.85, -2.25)),
    'suv': CarShape(4.6, 1.9, 1.7, 1.08, 1.02, 1.08, (1.1, 0.5, -1.75, -2.15)),
    'van': CarShape(5.2, 1.98, 2.2, 1.2, 1.1, 1.2, (2.1, 1.35, -2.4, -2.52)),
    'small': CarShape(3.5, 1.63, 1.5, 0.92, 0.85, 0.92, (1.05, 0.45, -1.35, -1.65)),
}


def car(rng: np.random.Generator, style: Style) -> Mesh:
    """A passenger car or a van."""
    shape = _CARS[str(rng.choice(list(_CARS), p=[0.28, 0.2, 0.15, 0.17, 0.1, 0.1]))]
    paints = _PAINTS if style.detailed else PAINTS
    color = paints[rng.integers(len(paints))] * rng.uniform(0.8, 1.2)
    details = style.details(rng)
    parts = coachwork('car', color, details)
    half = shape.length / 2
    return join([
        *(_detailed(shape, parts, details) if details else _plain(shape, parts)),
        wheels((half * 0.62, -half * 0.6), shape.width / 2, 0.32, parts),
        *lamps(half, shape.width / 2, shape.belt - 0.22, parts, details),
    ])  # fmt: skip


def _plain(shape: CarShape, parts: Coachwork) -> list[Mesh]:
    """An angular body, and a cabin of glass."""
    return [_plain_body(shape, parts.paint), _plain_cabin(shape, parts)]


def _plain_body(shape: CarShape, paint: Material) -> Mesh:
    half, w = shape.length / 2, shape.width / 2
    front, back = shape.cabin[0], shape.cabin[3]
    stations = [
        (half, w * 0.78, 0.32, shape.hood - 0.22), (half - 0.12, w * 0.9, 0.22, shape.hood - 0.1),
        (half - 0.5, w, 0.2, shape.hood - 0.02), (front, w, 0.2, shape.belt),
        (back, w, 0.2, shape.belt), (-half + 0.35, w, 0.2, shape.tail),
        (-half + 0.06, w * 0.92, 0.25, shape.tail - 0.06),
        (-half, w * 0.84, 0.35, shape.tail - 0.2),
    ]  # fmt: skip
    rings = [ring(*station) for station in stations]
    return join([loft(rings, paint), plate(rings[0], paint), plate(rings[-1], paint)])


def _plain_cabin(shape: CarShape, parts: Coachwork) -> Mesh:
    x0, x1, x2, x3 = shape.cabin
    low, high = shape.width / 2 * 0.93, shape.width / 2 * 0.74
    belt = np.array([[x0, low], [x0, -low], [x3, -low], [x3, low]])
    roof = np.array([[x1, high], [x1, -high], [x2, -high], [x2, high]])
    lower = np.column_stack((belt, np.full(4, shape.belt - 0.02)))
    upper = np.column_stack((roof, np.full(4, shape.height)))
    pillars = [tube(a, b, 0.045, parts.paint, 5) for a, b in zip(lower, upper, strict=True)]
    middle = [(lower[i] * 0.52 + lower[j] * 0.48, upper[i] * 0.52 + upper[j] * 0.48)
              for i, j in ((0, 3), (1, 2))]  # fmt: skip
    pillars += [tube(a, b, 0.05, parts.paint, 5) for a, b in middle]
    rim = [tube(upper[i], upper[(i + 1) % 4], 0.04, parts.paint, 5) for i in range(4)]
    top = upper + (0, 0, 0.03)
    return join([loft([lower, upper], parts.glass), plate(top, parts.paint), *pillars, *rim])


def _detailed(shape: CarShape, parts: Coachwork, details: np.random.Generator) -> list[Mesh]:
    """A rounded body, and a painted cabin with panes."""
    cabin = _cabin(shape, parts, details)
    bumpers = _bumpers(shape, parts.rubber if details.random() < _PLASTIC else parts.paint)
    return [_body(shape, parts.paint), cabin, bumpers]


def _shouldered(x: float, w: float, low: float, top: float) -> list[tuple[float, float, float]]:
    """A cross section with shoulders."""
    middle = low + 0.55 * (top - low)
    side = [(w * 0.88, low), (w * 0.97, low + 0.1), (w, middle), (w * 0.97, top - 0.09),
            (w * 0.88, top - 0.01), (w * 0.5, top + 0.015)]  # fmt: skip
    return [(x, y, z) for y, z in side] + [(x, -y, z) for y, z in side[::-1]]


def _body(shape: CarShape, paint: Material) -> Mesh:
    half, w = shape.length / 2, shape.width / 2
    front, back = shape.cabin[0], shape.cabin[3]
    stations = [
        (half, w * 0.7, 0.36, shape.hood - 0.24), (half - 0.08, w * 0.86, 0.26, shape.hood - 0.14),
        (half - 0.3, w * 0.97, 0.21, shape.hood - 0.06), (half - 0.6, w, 0.2, shape.hood - 0.01),
        (front, w, 0.2, shape.belt), (back, w, 0.2, shape.belt),
        (-half + 0.3, w, 0.2, shape.tail), (-half + 0.08, w * 0.94, 0.24, shape.tail - 0.05),
        (-half, w * 0.84, 0.34, shape.tail - 0.16),
    ]  # fmt: skip
    rings = [_shouldered(*station) for station in stations]
    return join([loft(rings, paint, smooth=True), plate(rings[0], paint), plate(rings[-1], paint)])


def _bumpers(shape: CarShape, material: Material) -> Mesh:
    half, w = shape.length / 2, shape.width / 2
    return join([
        box((s * half - 0.16, -w * 0.84, 0.36), (s * half + 0.02, w * 0.84, 0.56), material)
        for s in (-1, 1)
    ])  # fmt: skip


def _cabin(shape: CarShape, parts: Coachwork, details: np.random.Generator) -> Mesh:
    """A painted shell with panes of glass let into it."""
    x0, x1, x2, x3 = shape.cabin
    low, high = shape.width / 2 * 0.95, shape.width / 2 * 0.76
    belt = np.array([[x0, low], [x0, -low], [x3, -low], [x3, low]])
    roof = np.array([[x1, high], [x1, -high], [x2, -high], [x2, high]])
    lower = np.column_stack((belt, np.full(4, shape.belt - 0.02)))
    upper = np.column_stack((roof, np.full(4, shape.height - 0.05)))
    top = np.column_stack((roof * 0.88, np.full(4, shape.height)))
    front, right, back, left = (
        np.stack((lower[i], lower[j], upper[j], upper[i]))
        for i, j in ((0, 1), (1, 2), (2, 3), (3, 0))
    )
    rear = details.uniform(0.08, 0.16), details.uniform(0.1, 0.3)  # of the width, of the height
    behind = details.uniform(0.08, 0.25)  # of the side
    door = 0.45 + behind / 4
    sides = [(0.07, 1 - door - 0.03), (1 - door + 0.03, 1 - behind)]
    panes = [_pane(front, (0.05, 0.95), (0.06, 0.95)),
             _pane(back, (rear[0], 1 - rear[0]), (rear[1], 0.9))]  # fmt: skip
    panes += [_pane(right, along, (0.1, 0.9)) for along in sides]
    panes += [_pane(left, (1 - b, 1 - a), (0.1, 0.9)) for a, b in sides]
    shell = loft([lower, upper, top], parts.paint)
    return join([shell, plate(top, parts.paint), *(plate(p, parts.glass) for p in panes)])


def _pane(
    face: ArrayLike, along: tuple[float, float], up: tuple[float, float]
) -> NDArray[np.float64]:
    """(4, 3) the part of a (4, 3) face between shares of its width and height, a little out."""
    a, b, c, d = np.asarray(face)
    u = np.array([along[0], along[1], along[1], along[0]])[:, None]
    v = np.array([up[0], up[0], up[1], up[1]])[:, None]
    corners = (1 - v) * ((1 - u) * a + u * b) + v * ((1 - u) * d + u * c)
    outward = np.cross(b - a, d - a)
    outward *= np.copysign(1.0 / np.linalg.norm(outward), outward @ ((a + b + c + d) * (1, 1, 0)))
    return corners + 0.012 * outward
