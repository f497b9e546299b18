"""Cars, vans, trucks, buses and trams, from silhouettes; x forward, standing at the origin."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sds_training.streets.mesh import Material, Mesh, join
from sds_training.streets.shapes import box, boxes, disc, loft, plate, tube
from sds_training.streets.street import LABEL_ID


class Coachwork(NamedTuple):
    """A vehicle's materials, all of one class."""

    paint: Material
    glass: Material
    rubber: Material
    metal: Material

    def lit(self, color: tuple[float, float, float], glow: float) -> Material:
        """A lamp of the same class."""
        return self.metal._replace(tint=color, glow=glow, gloss=0.0)


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
_CAR_PAINT = np.array(
    [[0.6, 0.6, 0.6], [0.35, 0.36, 0.38], [0.03, 0.03, 0.035], [0.12, 0.13, 0.14],
     [0.35, 0.02, 0.02], [0.03, 0.08, 0.3], [0.02, 0.15, 0.1], [0.5, 0.36, 0.05],
     [0.25, 0.4, 0.5], [0.3, 0.22, 0.15], [0.7, 0.7, 0.68], [0.55, 0.2, 0.05]]
)  # fmt: skip


def coachwork(label: str, color: NDArray[np.float64]) -> Coachwork:
    """Paint of this colour with glass, rubber and metal of the same class."""
    number = LABEL_ID[label]
    return Coachwork(
        Material(number, 'paint', gloss=0.1).tinted(color),
        Material(number, 'glass', (0.035, 0.04, 0.045), gloss=0.32),
        Material(number, 'plain', (0.018, 0.018, 0.018)),
        Material(number, 'plain', (0.3, 0.3, 0.31), gloss=0.15),
    )


def car(rng: np.random.Generator) -> Mesh:
    """A passenger car or a van."""
    shape = _CARS[str(rng.choice(list(_CARS), p=[0.28, 0.2, 0.15, 0.17, 0.1, 0.1]))]
    color = _CAR_PAINT[rng.integers(len(_CAR_PAINT))] * rng.uniform(0.8, 1.2)
    parts = coachwork('car', color)
    half = shape.length / 2
    return join([
        _body(shape, parts.paint),
        _cabin(shape, parts),
        _wheels((half * 0.62, -half * 0.6), shape.width / 2, 0.32, parts),
        *_lamps(half, shape.width / 2, shape.belt - 0.22, parts),
    ])  # fmt: skip


def _ring(x: float, w: float, low: float, top: float) -> list[tuple[float, float, float]]:
    """A rounded cross section of a body."""
    side = [(w * 0.9, low), (w, low + 0.2), (w, top - 0.16), (w * 0.9, top)]
    return [(x, y, z) for y, z in side] + [(x, -y, z) for y, z in side[::-1]]


def _body(shape: CarShape, paint: Material) -> Mesh:
    half, w = shape.length / 2, shape.width / 2
    front, back = shape.cabin[0], shape.cabin[3]
    stations = [
        (half, w * 0.78, 0.32, shape.hood - 0.22), (half - 0.12, w * 0.9, 0.22, shape.hood - 0.1),
        (half - 0.5, w, 0.2, shape.hood - 0.02), (front, w, 0.2, shape.belt),
        (back, w, 0.2, shape.belt), (-half + 0.35, w, 0.2, shape.tail),
        (-half + 0.06, w * 0.92, 0.25, shape.tail - 0.06),
        (-half, w * 0.84, 0.35, shape.tail - 0.2),
    ]  # fmt: skip
    rings = [_ring(*station) for station in stations]
    return join([loft(rings, paint), plate(rings[0], paint), plate(rings[-1], paint)])


def _cabin(shape: CarShape, parts: Coachwork) -> Mesh:
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


def _wheels(axles: tuple[float, ...], half_width: float, radius: float, parts: Coachwork) -> Mesh:
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


def _lamps(half: float, w: float, z: float, parts: Coachwork, glow: float = 0.25) -> list[Mesh]:
    white, red = parts.lit((0.75, 0.75, 0.7), glow), parts.lit((0.5, 0.015, 0.015), glow)
    plate_white = parts.lit((0.7, 0.7, 0.66), 0.0)
    side = np.array([[1.0], [-1.0]])
    ys = side * (w * 0.66)
    front = np.column_stack((np.full(2, half - 0.2), ys - 0.19, np.full(2, z - 0.07)))
    back = np.column_stack((np.full(2, -half - 0.01), ys - 0.15, np.full(2, z - 0.08)))
    return [
        boxes(front, front + (0.16, 0.38, 0.15), white),
        boxes(back, back + (0.1, 0.3, 0.18), red),
        box((-half - 0.02, -0.26, z - 0.28), (-half + 0.05, 0.26, z - 0.16), plate_white),
        box((half - 0.05, -0.26, z - 0.34), (half + 0.02, 0.26, z - 0.22), plate_white),
        box((half - 0.05, -w * 0.5, z - 0.2), (half + 0.012, w * 0.5, z - 0.04), parts.rubber),
    ]


def truck(rng: np.random.Generator) -> Mesh:
    """A lorry with a box, a tarpaulin or an open bed."""
    cab = coachwork('truck', _CAR_PAINT[rng.integers(len(_CAR_PAINT))])
    length, width = float(rng.uniform(6.5, 10.5)), 2.45
    height, half = float(rng.uniform(3.0, 3.8)), length / 2
    cab_back, w = half - 2.0, width / 2
    cab_top = float(rng.uniform(2.6, 3.0))
    load = coachwork('truck', rng.uniform(0.1, 0.75, 3))
    skin = load.paint._replace(texture=str(rng.choice(['ribbed', 'paint', 'cloth'])), gloss=0.03)
    rings = [_ring(half, w * 0.94, 0.6, 1.6), _ring(half - 0.05, w, 0.55, 1.7),
             _ring(half - 0.4, w, 0.55, cab_top), _ring(cab_back, w, 0.55, cab_top)]  # fmt: skip
    window = [
        [half - 0.02, w * 0.86, 1.65],
        [half - 0.02, -w * 0.86, 1.65],
        [half - 0.34, -w * 0.82, cab_top - 0.25],
        [half - 0.34, w * 0.82, cab_top - 0.25],
    ]
    shift = np.array([0.03, 0, 0.03])
    sides = box(
        (cab_back + 0.5, -w - 0.012, 1.6), (half - 0.55, w + 0.012, cab_top - 0.45), cab.glass
    )
    low_bed = rng.random() < 0.25
    top = 1.9 if low_bed else height
    return join([
        loft(rings, cab.paint), plate(rings[0], cab.paint), plate(rings[-1], cab.paint),
        plate(np.array(window) + shift, cab.glass), sides,
        box((-half, -w, 1.0), (cab_back - 0.25, w, top), skin),
        box((-half, -0.5, 0.55), (cab_back, 0.5, 1.0), cab.rubber),
        box((-half - 0.02, -w, 0.5), (-half + 0.1, w, 0.65), cab.metal),
        _wheels((half - 1.1, -half + 1.2, -half + 2.4), w - 0.05, 0.48, cab),
        *_lamps(half, w, 0.95, cab),
    ])  # fmt: skip


def bus(rng: np.random.Generator) -> Mesh:
    """A city bus."""
    color = _CAR_PAINT[rng.integers(4, len(_CAR_PAINT))]
    parts = coachwork('bus', color)
    length, half_width, height = float(rng.uniform(9.5, 12.5)), 1.27, float(rng.uniform(3.0, 3.3))
    half = length / 2
    body = _coach_body(rng, half, half_width, height, parts)
    board = parts.lit((0.9, 0.5, 0.05), 0.8)
    sign = box((half - 0.1, -0.8, height - 0.38), (half + 0.03, 0.8, height - 0.14), board)
    return join([body, sign, _wheels((half - 2.6, -half + 3.0), half_width - 0.03, 0.48, parts),
                 *_lamps(half, half_width, 0.85, parts)])  # fmt: skip


def tram(rng: np.random.Generator) -> Mesh:
    """A tram of two or three cars with a pantograph; the class is train."""
    color = _CAR_PAINT[rng.choice([4, 5, 6, 7, 10, 11])]
    parts = coachwork('train', color)
    count, piece, height = int(rng.integers(2, 4)), float(rng.uniform(8.0, 10.5)), 3.35
    found = []
    for number in range(count):
        middle = (number - (count - 1) / 2) * (piece + 0.6)
        wagon = _coach_body(rng, piece / 2, 1.25, height, parts)
        skirt = box((-piece / 2, -1.2, 0.12), (piece / 2, 1.2, 0.5), parts.rubber)
        found += [wagon.placed((middle, 0, 0.0)), skirt.placed((middle, 0, 0))]
        joint = box((-0.35, -1.0, 0.4), (0.35, 1.0, height - 0.2), parts.rubber)
        if number:
            found.append(joint.placed((middle - piece / 2 - 0.3, 0, 0)))
    end = (count * piece + (count - 1) * 0.6) / 2
    found += _lamps(end, 1.25, 0.95, parts)
    found += [tube((0, 0, height), (0.9, 0, height + 0.8), 0.03, parts.rubber),
              tube((0.9, 0, height + 0.8), (0.1, 0, height + 1.5), 0.03, parts.rubber),
              box((0, -0.8, height + 1.5), (0.2, 0.8, height + 1.55), parts.rubber),
              box((-2, -0.8, height), (2, 0.8, height + 0.35), parts.metal)]  # fmt: skip
    return join(found)


def _coach_body(
    rng: np.random.Generator, half: float, w: float, height: float, parts: Coachwork
) -> Mesh:
    """A long body with a band of windows, doors on the right and a second colour below."""
    low, sill, lintel = 0.35, 1.25, height - 0.62
    second = parts.paint.tinted(rng.choice([0.55, 0.08, 0.75]) * np.ones(3))
    x = np.linspace(-half + 0.5, half - 0.6, max(3, round(half * 2 / 1.5)) + 1)
    lows = np.column_stack((x[:-1] + 0.07, np.full(len(x) - 1, -w - 0.012),
                            np.full(len(x) - 1, sill)))  # fmt: skip
    highs = np.column_stack((x[1:] - 0.07, np.full(len(x) - 1, w + 0.012),
                             np.full(len(x) - 1, lintel)))  # fmt: skip
    ends = [box((s * half - 0.03, -w * 0.86, 1.15), (s * half + 0.03, w * 0.86, height - 0.5),
                parts.glass) for s in (-1, 1)]  # fmt: skip
    doors = [box((at - 0.6, -w - 0.018, 0.4), (at + 0.6, -w + 0.1, lintel), parts.glass)
             for at in (half - 1.3, -half * 0.15)]  # fmt: skip
    return join([
        box((-half, -w, low), (half, w, height - 0.1), parts.paint),
        box((-half + 0.15, -w + 0.12, height - 0.1), (half - 0.15, w - 0.12, height), second),
        box((-half - 0.008, -w - 0.008, low), (half + 0.008, w + 0.008, sill - 0.4), second),
        boxes(lows, highs, parts.glass), *ends, *doors,
    ])  # fmt: skip


MAKERS = {'car': car, 'truck': truck, 'bus': bus}
