"""The ground of a drive: which lanes, kerbs, walks and crossings there are, and their surfaces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sds_perception.labels import CLASSES, TRAIN_ID
from sds_training.streets.cities import City
from sds_training.streets.mesh import Material, Mesh, from_faces, join
from sds_training.streets.path import AHEAD_M, BEHIND_M, Centreline
from sds_training.streets.style import PLAIN, Style

PARKING_M = 2.3
TRACKS_M = 6.6
KERB_M = 0.13
FURNITURE_M = 1.25  # lamps, signs and trees stand nearer to the kerb, if no verge holds them
LABEL_ID: dict[str, int] = {name: CLASSES[number].label_id for name, number in TRAIN_ID.items()}


@dataclass(frozen=True)
class Side:
    """One side of the street; distances to the left of the path, so negative on the right."""

    sign: int  # +1 left, -1 right
    parking: bool
    edge_m: float  # the kerb
    verge_m: float  # width of the green strip behind the kerb
    walk_m: float  # width of the sidewalk
    garden_m: float  # from the sidewalk to the houses

    def at(self, outward_m: float) -> float:
        """The path's `left` of a point `outward_m` behind the kerb."""
        return self.edge_m + self.sign * outward_m

    @property
    def turn(self) -> float:
        """Turns a part's +x the way this side drives, and so its +y to the road; radians."""
        return 0.0 if self.sign < 0 else np.pi

    @property
    def facing(self) -> float:
        """Turns a part's -y, where fronts are, to the road; radians."""
        return np.pi - self.turn

    @property
    def free_walk(self) -> tuple[float, float]:
        """Where people walk, from the kerb: between what stands at it and what bounds gardens."""
        return max(self.verge_m + 0.5, FURNITURE_M), self.verge_m + self.walk_m - 0.25

    @property
    def front_m(self) -> float:
        """From the kerb to the houses."""
        return self.verge_m + self.walk_m + self.garden_m


@dataclass(frozen=True)
class Street:
    """A street's cross section and where others cross it."""

    city: City
    lane_m: float
    own_lanes: tuple[float, ...]  # lane centres, `left` of the path
    other_lanes: tuple[float, ...]
    tracks: tuple[float, ...]  # tram track centres: own direction, other direction
    left: Side
    right: Side
    crossings: tuple[tuple[float, float], ...]  # (s0, s1) of crossing streets
    style: Style = PLAIN  # of all that stands and moves in it

    def in_crossing(self, s: ArrayLike, margin: float = 0.0) -> NDArray[np.bool_]:
        """Whether places along the path lie in (or near) a crossing street."""
        s = np.asarray(s)
        return np.any([(a - margin < s) & (s < b + margin) for a, b in self.crossings], axis=0)

    def height_at(self, s: ArrayLike, left: ArrayLike) -> NDArray[np.float64]:
        """Metres of the ground: both sides lie a kerb above the road and the crossing streets."""
        beside = (np.asarray(left) < self.right.edge_m) | (np.asarray(left) > self.left.edge_m)
        return np.where(beside & ~self.in_crossing(s), KERB_M, 0.0)


def draw_street(
    rng: np.random.Generator, city: City, path: Centreline, style: Style = PLAIN
) -> Street:
    """Draw a cross section around the vehicle's lane, which is centred on the path."""
    lane = float(rng.uniform(3.0, 3.6))
    own, other = int(rng.choice([1, 2], p=[0.7, 0.3])), int(rng.choice([1, 2], p=[0.75, 0.25]))
    place = int(rng.integers(own))  # lanes to our right
    has_tram = rng.random() < city.trams
    parks = rng.random(2) < 0.65
    right_edge = -lane * (0.5 + place) - PARKING_M * parks[0]
    left_of_own = lane * (own - place - 0.5)
    middle = TRACKS_M * has_tram
    left_edge = left_of_own + middle + other * lane + PARKING_M * parks[1]
    tracks = (left_of_own + middle * 0.25, left_of_own + middle * 0.75) if has_tram else ()
    return Street(
        city=city,
        lane_m=lane,
        own_lanes=tuple(lane * (k - place) for k in range(own)),
        other_lanes=tuple(left_of_own + middle + lane * (k + 0.5) for k in range(other)),
        tracks=tracks,
        left=_draw_side(rng, city, 1, bool(parks[1]), left_edge),
        right=_draw_side(rng, city, -1, bool(parks[0]), right_edge),
        crossings=_draw_crossings(rng, path),
        style=style,
    )


def _draw_side(
    rng: np.random.Generator, city: City, sign: int, parking: bool, edge: float
) -> Side:
    verge = rng.uniform(1.2, 3.0) if rng.random() < city.verges else 0.0
    garden = rng.uniform(3.0, 9.0) if rng.random() < city.gardens else 0.0
    return Side(sign, parking, edge, verge, float(rng.uniform(1.8, 4.0)), garden)


def _draw_crossings(rng: np.random.Generator, path: Centreline) -> tuple[tuple[float, float], ...]:
    found, s = [], rng.uniform(-10.0, 70.0)
    while s < AHEAD_M - 60:
        width = rng.uniform(8.0, 13.0)
        if path.straight(s - 10, s + width + 10, 1 / 110):
            found.append((float(s), float(s + width)))
        s += rng.uniform(60.0, 140.0)
    return tuple(found)


def ribbon(
    path: Centreline, s: tuple[float, float], left: tuple[float, float], z: tuple[float, float],
    material: Material, step: float = 2.0,
) -> Mesh:  # fmt: skip
    """A strip of ground between two places; texture runs along the path."""
    along = np.linspace(*s, max(2, int(np.ceil((s[1] - s[0]) / step)) + 1))
    near, far = path.point(along, left[0], z[0]), path.point(along, left[1], z[1])
    quads = np.stack((near[:-1], near[1:], far[1:], far[:-1]), 1)
    across = (left[0], left[0] + np.hypot(left[1] - left[0], z[1] - z[0]))
    u = np.broadcast_to(np.array([across[0], across[0], across[1], across[1]]), (len(quads), 4))
    v = np.stack((along[:-1], along[1:], along[1:], along[:-1]), 1)
    return from_faces(quads, material, uv=np.stack((u, v), -1))


def build_ground(street: Street, path: Centreline, rng: np.random.Generator) -> Mesh:
    """Road, kerbs, walks, verges, gardens and the land around, without markings."""
    grey = rng.uniform(0.07, 0.17)
    tone = np.array([1.0, 1.0, rng.uniform(0.95, 1.08)]) * grey
    road = Material(LABEL_ID['road'], 'asphalt', tuple(tone))
    land = Material(LABEL_ID['terrain'], 'grass', tuple(np.array(street.city.leaf) * 1.1))
    everything = (-BEHIND_M, AHEAD_M)
    parts = [
        ribbon(path, everything, (street.right.edge_m, street.left.edge_m), (0, 0), road),
        _land(land),
    ]
    for a, b in street.crossings:
        for side in (street.left, street.right):
            reach = (side.edge_m, side.at(55.0))
            parts.append(ribbon(path, (a, b), reach, (0, 0), road, 1.0))
    for side in (street.left, street.right):
        for stretch in blocks(street):
            parts += _side_ground(side, stretch, path, street.city, rng, land)
    return join(parts)


def blocks(street: Street) -> list[tuple[float, float]]:
    """The stretches of the path between crossing streets."""
    cuts = [-BEHIND_M, *(v for c in street.crossings for v in c), AHEAD_M]
    return [(a, b) for a, b in zip(cuts[::2], cuts[1::2], strict=True) if b - a > 1.0]


def _side_ground(
    side: Side, stretch: tuple[float, float], path: Centreline, city: City,
    rng: np.random.Generator, land: Material,
) -> list[Mesh]:  # fmt: skip
    light = rng.uniform(0.2, 0.36)
    walk = Material(LABEL_ID['sidewalk'], city.paving, (light, light * 0.96, light * 0.9))
    stone = Material(LABEL_ID['sidewalk'], 'slabs', (0.42, 0.42, 0.4))
    top = (KERB_M, KERB_M)
    inner = side.verge_m + 0.25
    outer = inner + side.walk_m
    parts = [
        ribbon(path, stretch, (side.edge_m, side.edge_m + side.sign * 1e-3), (0, KERB_M), stone),
        ribbon(path, stretch, (side.at(0.0), side.at(0.25)), top, stone),
        ribbon(path, stretch, (side.at(inner), side.at(outer)), top, walk),
    ]
    if side.verge_m:
        parts.append(ribbon(path, stretch, (side.at(0.25), side.at(inner)), top, land))
    paved = side.garden_m == 0 or rng.random() < 0.2
    rest = walk if paved else land
    end = outer + side.garden_m + (14.0 if paved else 0.6)
    parts.append(ribbon(path, stretch, (side.at(outer), side.at(end)), top, rest))
    for s in stretch:  # the kerb turns the corner into the crossing street
        low, high = path.point(s, side.at(0.0)), path.point(s, side.at(40.0))
        rise = np.array([0, 0, KERB_M])
        parts.append(from_faces([[low, high, high + rise, low + rise]], stone))
    return parts


def _land(material: Material) -> Mesh:
    """Flat country in all directions, a little below the street."""
    edges = np.array([-900, -300, -100, 0, 100, 200, 300, 400, 600, 900.0])
    x, y = np.meshgrid(edges, edges, indexing='ij')
    grid = np.stack((x, y, np.full_like(x, -0.06)), -1)
    quads = np.stack((grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]), 2)
    return from_faces(quads.reshape(-1, 4, 3), material)
