"""Paint on the road: lane lines, edge lines, zebras, stop lines, arrows, and tram rails."""

from __future__ import annotations

import numpy as np

from sds_training.streets.mesh import Material, Mesh, from_faces, join
from sds_training.streets.path import AHEAD_M, BEHIND_M, Centreline
from sds_training.streets.street import LABEL_ID, PARKING_M, Street, blocks

_PAINT_Z = 0.006
_RAIL_Z = 0.008


def build_markings(street: Street, path: Centreline, rng: np.random.Generator) -> Mesh:
    """All paint of the street; road by class, since paint belongs to the road."""
    light = rng.uniform(0.45, 0.75)
    paint = Material(LABEL_ID['road'], 'soil', (light, light, light * 0.96))
    line = 0.12
    half = street.lane_m / 2
    dash = (3.0, 6.0) if rng.random() < 0.5 else (4.0, 4.0)
    parts = [_arrow(path, s, paint) for s, _ in street.crossings for s in (s - 12.0, s - 26.0)]
    for stretch in blocks(street):
        for lanes in (street.own_lanes, street.other_lanes):
            for centre in lanes[:-1]:
                parts.append(_dashes(path, stretch, centre + half, line, dash, paint))
        middle = street.own_lanes[-1] + half
        solid = rng.random() < 0.4
        pattern = (1e9, 0.0) if solid or street.tracks else dash
        parts.append(_dashes(path, stretch, middle, line, pattern, paint))
        if street.tracks:
            other = street.other_lanes[0] - half
            parts.append(_dashes(path, stretch, other, line, (1e9, 0.0), paint))
        for side in (street.left, street.right):
            inset = -(PARKING_M if side.parking else 0.35)
            parts.append(_dashes(path, stretch, side.at(inset), line, (1e9, 0.0), paint))
    for a, b in street.crossings:
        parts += _zebra_and_stop(street, path, a, b, paint)
    for track in street.tracks:
        parts += _rails(path, track)
    return join(parts)


def _patch(path: Centreline, s: tuple, left: tuple, z: float, material: Material) -> Mesh:
    """N rectangles of paint: ends and sides are pairs of (N,) arrays or numbers."""
    s0, s1, l0, l1 = (np.atleast_1d(v) for v in np.broadcast_arrays(*s, *left))
    corners = [path.point(s0, l0, z), path.point(s1, l0, z), path.point(s1, l1, z),
               path.point(s0, l1, z)]  # fmt: skip
    return from_faces(np.stack(corners, 1), material)


def _dashes(
    path: Centreline, stretch: tuple[float, float], left: float, width: float,
    pattern: tuple[float, float], material: Material,
) -> Mesh:  # fmt: skip
    stroke, gap = pattern
    if gap <= 0:  # solid: short pieces, so that it bends with the road
        stroke, gap = 3.0, 0.0
    starts = np.arange(stretch[0] + 1.0, stretch[1] - 1.0, stroke + gap)
    ends = np.minimum(starts + stroke, stretch[1] - 1.0)
    return _patch(path, (starts, ends), (left - width / 2, left + width / 2), _PAINT_Z, material)


def _zebra_and_stop(
    street: Street, path: Centreline, a: float, b: float, paint: Material
) -> list[Mesh]:
    low, high = street.right.edge_m + 0.4, street.left.edge_m - 0.4
    bars = np.arange(low, high, 1.0)
    middle = street.own_lanes[-1] + street.lane_m / 2
    own, other = (street.right.edge_m + 0.4, middle), (middle, high)
    return [
        _patch(path, (a - 4.0, a - 1.0), (bars, bars + 0.5), _PAINT_Z, paint),
        _patch(path, (b + 1.0, b + 4.0), (bars, bars + 0.5), _PAINT_Z, paint),
        _patch(path, (a - 5.6, a - 5.1), own, _PAINT_Z, paint),
        _patch(path, (b + 5.1, b + 5.6), other, _PAINT_Z, paint),
    ]


def _arrow(path: Centreline, s: float, paint: Material) -> Mesh:
    shaft = _patch(path, (s, s + 2.4), (-0.09, 0.09), _PAINT_Z, paint)
    head = [path.point(s + 2.4, 0.4, _PAINT_Z), path.point(s + 2.4, -0.4, _PAINT_Z),
            path.point(s + 3.8, 0.0, _PAINT_Z)]  # fmt: skip
    return join([shaft, from_faces([[head[0], head[1], head[2], head[2]]], paint)])


def _rails(path: Centreline, centre: float) -> list[Mesh]:
    steel = Material(LABEL_ID['road'], 'plain', (0.1, 0.09, 0.09), gloss=0.25)
    bed = Material(LABEL_ID['road'], 'cobbles', (0.19, 0.185, 0.18))
    s = np.arange(-BEHIND_M, AHEAD_M - 2.0, 2.0)
    gauge = 0.72
    strips = [(centre + k - 0.05, centre + k + 0.05) for k in (-gauge, gauge)]
    rails = [_patch(path, (s, s + 2.0), strip, _RAIL_Z, steel) for strip in strips]
    return [*rails, _patch(path, (s, s + 2.0), (centre - 1.25, centre + 1.25), 0.003, bed)]
