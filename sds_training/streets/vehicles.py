"""Trucks, buses and trams, and who makes each kind of vehicle; x forward, at the origin."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sds_training.streets.cars import car
from sds_training.streets.coachwork import GREYS, PAINTS, Coachwork, coachwork, lamps, ring, wheels
from sds_training.streets.mesh import Material, Mesh, join
from sds_training.streets.shapes import box, boxes, loft, plate, tube
from sds_training.streets.style import Style

_GREY_LOADS = 0.6  # share of the trucks with a white or grey box
_LIVERIES = 0.6  # share of the trucks and buses that are written or painted on
_ON_THE_BACK = 0.4  # share of what is painted there
_DOUBLE_DECKERS = 0.2
_DECK_M = 1.15  # height of an upper deck


def truck(rng: np.random.Generator, style: Style) -> Mesh:
    """A lorry with a box, a tarpaulin or an open bed."""
    details = style.details(rng)
    cab = coachwork('truck', PAINTS[rng.integers(len(PAINTS))], details)
    length, width = float(rng.uniform(6.5, 10.5)), 2.45
    height, half = float(rng.uniform(3.0, 3.8)), length / 2
    cab_back, w = half - 2.0, width / 2
    cab_top = float(rng.uniform(2.6, 3.0))
    color = rng.uniform(0.1, 0.75, 3)
    if details and details.random() < _GREY_LOADS:
        color[:] = details.uniform(0.2, 0.85)
    load = coachwork('truck', color, details)
    skin = load.paint._replace(texture=str(rng.choice(['ribbed', 'paint', 'cloth'])), gloss=0.03)
    rings = [ring(half, w * 0.94, 0.6, 1.6), ring(half - 0.05, w, 0.55, 1.7),
             ring(half - 0.4, w, 0.55, cab_top), ring(cab_back, w, 0.55, cab_top)]  # fmt: skip
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
        wheels((half - 1.1, -half + 1.2, -half + 2.4), w - 0.05, 0.48, cab),
        *lamps(half, w, 0.95, cab, details),
        *_livery(details, (-half, -w, 1.1), (cab_back - 0.3, w, top - 0.1), skin),
    ])  # fmt: skip


def bus(rng: np.random.Generator, style: Style) -> Mesh:
    """A city bus."""
    details, color = style.details(rng), PAINTS[rng.integers(GREYS, len(PAINTS))]
    parts = coachwork('bus', color, details)
    length, w, height = float(rng.uniform(9.5, 12.5)), 1.27, float(rng.uniform(3.0, 3.3))
    half = length / 2
    body = _coach_body(rng, half, w, height, parts)
    board = parts.lit((0.9, 0.5, 0.05), 0.8)
    sign = box((half - 0.1, -0.8, height - 0.38), (half + 0.03, 0.8, height - 0.14), board)
    return join([body, sign, wheels((half - 2.6, -half + 3.0), w - 0.03, 0.48, parts),
                 *lamps(half, w, 0.85, parts, details),
                 *_livery(details, (-half, -w, 0.4), (half, w, 1.2), parts.paint),
                 *_upper_deck(details, half, w, height, parts)])  # fmt: skip


def tram(rng: np.random.Generator, style: Style) -> Mesh:
    """A tram of two or three cars with a pantograph; the class is train."""
    details, color = style.details(rng), PAINTS[rng.choice([4, 5, 6, 7, 10, 11])]
    parts = coachwork('train', color, details)
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
    found += lamps(end, 1.25, 0.95, parts, details)
    found += [tube((0, 0, height), (0.9, 0, height + 0.8), 0.03, parts.rubber),
              tube((0.9, 0, height + 0.8), (0.1, 0, height + 1.5), 0.03, parts.rubber),
              box((0, -0.8, height + 1.5), (0.2, 0.8, height + 1.55), parts.rubber),
              box((-2, -0.8, height), (2, 0.8, height + 0.35), parts.metal)]  # fmt: skip
    return join(found)


def _upper_deck(
    details: np.random.Generator | None, half: float, w: float, foot: float, parts: Coachwork
) -> list[Mesh]:
    """Of a double-decker: another row of windows."""
    if details is None or details.random() >= _DOUBLE_DECKERS:
        return []
    low, high = foot - 0.1, foot + _DECK_M
    sill, lintel = low + 0.3, high - 0.2
    return [
        box((-half, -w, low), (half, w, high), parts.paint),
        box((-half + 0.3, -w - 0.012, sill), (half - 0.2, w + 0.012, lintel), parts.glass),
        box((-half - 0.02, -w * 0.86, sill), (half + 0.02, w * 0.86, lintel), parts.glass),
    ]


def _livery(
    details: np.random.Generator | None, low: ArrayLike, high: ArrayLike, skin: Material
) -> list[Mesh]:
    """Blocks of other colours on the back and the sides between two corners: names, pictures."""
    if details is None or details.random() >= _LIVERIES:
        return []
    low, high = np.asarray(low), np.asarray(high)
    blocks = []
    for layer in range(1, details.integers(3, 9)):
        share = details.uniform((0.05, 0.2, 0.05), (0.6, 0.7, 0.5))  # of length, width, height
        foot = low + details.random(3) * (1 - share) * (high - low)
        top, proud = foot + share * (high - low), 0.005 * layer  # it covers what is painted before
        if details.random() < _ON_THE_BACK:
            foot[0], top[0] = low[0] - proud, low[0]
        else:
            foot[1], top[1] = low[1] - proud, high[1] + proud
        blocks.append(box(foot, top, skin.tinted(details.uniform(0.02, 0.85, 3))))
    return blocks


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
