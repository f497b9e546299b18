"""Houses with windows set into their walls, doors, shop fronts, cornices, balconies and roofs.

A house stands in its own axes: x along the street, its front at y = 0 looking towards -y.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sds_training.streets.cities import City
from sds_training.streets.mesh import Floats, Material, Mesh, from_faces, join
from sds_training.streets.shapes import boxes, plate
from sds_training.streets.street import LABEL_ID

_BUILDING = LABEL_ID['building']


class Openings(NamedTuple):
    """A wall's grid of windows; metres."""

    wall: tuple[float, float]  # width and height
    columns: int
    rows: int
    share: tuple[float, float]  # of a cell that is window, in width and height
    depth: float
    base: float  # wall below the grid


def build_house(rng: np.random.Generator, city: City, width: float, depth: float) -> Mesh:
    """One house `width` along the street and `depth` behind its front."""
    texture, tint = city.facades[rng.integers(len(city.facades))]
    tone = np.array(tint) * rng.uniform(0.75, 1.25) * rng.uniform(0.93, 1.07, 3)
    wall = Material(_BUILDING, texture).tinted(tone)
    floors = int(rng.integers(city.floors[0], city.floors[1] + 1))
    ground, storey = float(rng.uniform(3.0, 4.2)), float(rng.uniform(2.7, 3.3))
    height = ground + (floors - 1) * storey + 0.4
    share = (float(rng.uniform(0.35, 0.62)), float(rng.uniform(0.48, 0.66)))
    recess = float(rng.uniform(0.12, 0.3))
    cell = float(rng.uniform(1.9, 3.2))
    glass = Material(_BUILDING, 'glass', (0.06, 0.07, 0.085), gloss=0.4)
    trim = wall.tinted(np.clip(tone * rng.choice([0.55, 1.5]), 0.05, 0.8))._replace(
        texture='plain'
    )
    parts = [_ground_floor(rng, width, ground, wall, glass, trim)]
    for side, span in (('front', width), ('left', depth), ('right', depth)):
        upper = Openings((span, height - ground), max(1, round(span / cell)), max(floors - 1, 1),
                         share, recess, 0.0)  # fmt: skip
        if floors > 1:
            above = _wall_with_windows(rng, upper, wall, glass, trim).placed((0, 0, ground))
            parts.append(_turn(above, side, width, depth))
        if side != 'front':
            parts.append(_turn(_plain(span, ground, wall), side, width, depth))
    parts.append(_roof(rng, city, width, depth, height, wall, trim))
    if floors > 1 and rng.random() < 0.3:
        parts.append(_balconies(rng, width, ground, storey, floors, trim))
    return join(parts)


def _turn(face: Mesh, side: str, width: float, depth: float) -> Mesh:
    if side == 'left':
        return face.placed((0, depth, 0), -np.pi / 2)
    return face.placed((width, 0, 0), np.pi / 2) if side == 'right' else face


def _plain(width: float, height: float, wall: Material) -> Mesh:
    return plate([[0, 0, 0], [width, 0, 0], [width, 0, height], [0, 0, height]], wall)


def _rectangles(x0: Floats, x1: Floats, z0: Floats, z1: Floats, y: float) -> Floats:
    """(N, 4, 3) upright rectangles at depth y."""
    out = np.empty((np.broadcast(x0, x1, z0, z1).size, 4, 3))
    out[:, 0, 0] = out[:, 3, 0] = x0
    out[:, 1, 0] = out[:, 2, 0] = x1
    out[:, 0, 2] = out[:, 1, 2] = z0
    out[:, 2, 2] = out[:, 3, 2] = z1
    out[..., 1] = y
    return out


def _wall_with_windows(
    rng: np.random.Generator, openings: Openings, wall: Material, glass: Material, trim: Material
) -> Mesh:
    width, height = openings.wall
    x = np.linspace(0, width, openings.columns + 1)
    z = np.linspace(openings.base, height, openings.rows + 1)
    left, low = (g.ravel() for g in np.meshgrid(x[:-1], z[:-1]))
    dx, dz = x[1] - x[0], z[1] - z[0]
    w0, w1 = left + dx * (1 - openings.share[0]) / 2, left + dx * (1 + openings.share[0]) / 2
    h0 = low + dz * (1 - openings.share[1]) * 0.6
    h1 = h0 + dz * openings.share[1]
    flat = [
        _rectangles(left, left + dx, low, h0, 0), _rectangles(left, left + dx, h1, low + dz, 0),
        _rectangles(left, w0, h0, h1, 0), _rectangles(w1, left + dx, h0, h1, 0),
    ]  # fmt: skip
    d = openings.depth
    front, back = _rectangles(w0, w1, h0, h1, 0.0), _rectangles(w0, w1, h0, h1, d)
    reveals = [
        np.stack((front[:, i], front[:, j], back[:, j], back[:, i]), 1)
        for i, j in ((0, 1), (1, 2), (2, 3), (3, 0))
    ]
    bar = 0.04
    mid = (w0 + w1) / 2
    frames = [
        _rectangles(mid - bar, mid + bar, h0, h1, d - 0.03),
        _rectangles(w0, w0 + 2 * bar, h0, h1, d - 0.03),
        _rectangles(w1 - 2 * bar, w1, h0, h1, d - 0.03),
        _rectangles(w0, w1, h1 - 2 * bar, h1, d - 0.03),
    ]
    lows = np.stack((w0 - 0.1, np.full_like(w0, -0.12), h0 - 0.12), -1)
    highs = np.stack((w1 + 0.1, np.full_like(w0, 0.02), h0 - 0.02), -1)
    frame = trim.tinted((0.6, 0.6, 0.57)) if rng.random() < 0.6 else trim
    return join([
        from_faces(np.concatenate(flat), wall),
        from_faces(np.concatenate(reveals), wall),
        from_faces(back, glass, tint=_panes(rng, len(back), glass)),
        from_faces(np.concatenate(frames), frame),
        boxes(lows, highs, trim),
    ])  # fmt: skip


def _panes(rng: np.random.Generator, count: int, glass: Material) -> NDArray[np.float64]:
    """Some windows are dark, some have curtains or blinds."""
    curtain = rng.random((count, 1)) < 0.3
    shade = rng.uniform(0.6, 1.8, (count, 1)) * np.array(glass.tint)
    return np.where(curtain, rng.uniform(0.2, 0.5, (count, 1)) * np.array([1, 0.95, 0.85]), shade)


def _ground_floor(
    rng: np.random.Generator, width: float, height: float, wall: Material, glass: Material,
    trim: Material,
) -> Mesh:  # fmt: skip
    shop = rng.random() < 0.4
    cells = max(1, round(width / (4.0 if shop else 2.8)))
    share = (0.85, 0.72) if shop else (0.42, 0.5)
    grid = Openings((width, height), cells, 1, share, 0.25, 0.3)
    base = wall.tinted(np.array(wall.tint) * rng.uniform(0.55, 1.0))
    plinth = from_faces(_rectangles(*np.array([[0.0], [width], [0.0], [0.3]]), 0.0), base)
    door_x = float(rng.uniform(0.4, max(0.5, width - 1.8)))
    wood = Material(_BUILDING, 'planks').tinted(rng.uniform(0.04, 0.35, 3))
    door = boxes([[door_x, -0.06, 0.0]], [[door_x + 1.15, 0.1, 2.3]], wood)
    frame = boxes([[door_x - 0.15, -0.1, 2.3]], [[door_x + 1.3, 0.1, 2.5]], trim)
    parts = [_wall_with_windows(rng, grid, base, glass, trim), plinth, door, frame]
    if shop:
        color = rng.uniform(0.03, 0.6, 3)
        sign = Material(_BUILDING, 'paint').tinted(color)
        parts.append(
            boxes([[0.3, -0.18, height - 0.75]], [[width - 0.3, 0.05, height - 0.1]], sign)
        )
        if rng.random() < 0.6:
            cloth = Material(_BUILDING, 'planks').tinted(color * 0.8 + 0.1)
            top, low = height - 0.8, height - 1.35
            parts.append(plate([[0.5, 0, top], [width - 0.5, 0, top], [width - 0.5, -1.2, low],
                                [0.5, -1.2, low]], cloth))  # fmt: skip
    return join(parts)


def _balconies(
    rng: np.random.Generator, width: float, ground: float, storey: float, floors: int,
    trim: Material,
) -> Mesh:  # fmt: skip
    x0 = float(rng.uniform(0.5, max(0.6, width - 4.0)))
    z = ground + storey * np.arange(floors - 1)
    lows = np.stack((np.full_like(z, x0), np.full_like(z, -1.2), z - 0.05), -1)
    slab = boxes(lows, lows + (3.0, 1.2, 0.15), trim)
    return join([slab, boxes(lows, lows + (3.0, 0.08, 1.05), trim)])


def _roof(
    rng: np.random.Generator, city: City, width: float, depth: float, height: float,
    wall: Material, trim: Material,
) -> Mesh:  # fmt: skip
    cornice = boxes([[-0.1, -0.3, height - 0.25]], [[width + 0.1, 0.0, height + 0.05]], trim)
    if rng.random() >= city.pitched_roofs:
        top = boxes([[0, 0, height]], [[width, depth, height + 0.6]], wall)
        return join([cornice, top])
    rise = float(rng.uniform(2.0, 4.0))
    tiles = Material(_BUILDING, 'roof').tinted(np.array(city.roof) * rng.uniform(0.7, 1.3))
    low, ridge = height, height + rise
    front = [[-0.2, -0.35, low], [width + 0.2, -0.35, low], [width + 0.2, depth / 2, ridge],
             [-0.2, depth / 2, ridge]]  # fmt: skip
    back = [[-0.2, depth, low], [width + 0.2, depth, low], [width + 0.2, depth / 2, ridge],
            [-0.2, depth / 2, ridge]]  # fmt: skip
    gables = [plate([[x, 0, low], [x, depth, low], [x, depth / 2, ridge]], wall)
              for x in (0.0, width)]  # fmt: skip
    chimney = boxes([[width * 0.3, depth * 0.4, ridge - 1.0]],
                    [[width * 0.3 + 0.8, depth * 0.4 + 0.8, ridge + 0.9]], wall)  # fmt: skip
    return join([cornice, plate(front, tiles), plate(back, tiles), *gables, chimney])
