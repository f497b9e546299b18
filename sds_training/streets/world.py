"""Everything that stands still: ground, houses, greenery and furniture; parked things join it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sds_training.streets import buildings, plants, roadside
from sds_training.streets.markings import build_markings
from sds_training.streets.mesh import Mesh, join
from sds_training.streets.path import AHEAD_M, BEHIND_M, BUILT_TO_M, Centreline
from sds_training.streets.places import stand
from sds_training.streets.street import Side, Street, blocks, build_ground


def build_world(
    street: Street, path: Centreline, rng: np.random.Generator, parked: list[Mesh]
) -> Mesh:
    """The standing part of a drive as one mesh; what is parked is numbered from 1."""
    standing = [build_ground(street, path, rng), build_markings(street, path, rng)]
    for side in (street.left, street.right):
        for stretch in blocks(street):
            if stretch[0] > BUILT_TO_M:
                continue
            standing += _houses(street, side, stretch, path, rng)
            standing += _greenery(street, side, stretch, path, rng)
            standing += _furniture(side, stretch, path, rng)
        standing += _cross_street_houses(street, side, path, rng)
    standing += [*_signals(street, path, rng), *_closing_row(street, path, rng)]
    return join([*standing, *(m.as_thing(n) for n, m in enumerate(parked, start=1))])


def _houses(
    street: Street,
    side: Side,
    stretch: tuple[float, float],
    path: Centreline,
    rng: np.random.Generator,
) -> Iterator[Mesh]:
    s = max(stretch[0], -30.0) + 1.0
    detached = side.garden_m > 0 and rng.random() < 0.6
    end = min(stretch[1], BUILT_TO_M) - 1.0
    while s < end - 6.0:
        width = min(float(rng.uniform(8.0, 20.0)), end - s)
        if rng.random() < 0.1:  # an empty plot behind a wall, a fence or a hedge
            yield from _boundary(street, side, s, width, path, rng, side.front_m + 0.5)
        else:
            house = buildings.build_house(rng, street.city, width, float(rng.uniform(8, 13)))
            yield _front(house, side, s, width, path, side.front_m + 0.3)
        if side.garden_m > 0 and rng.random() < 0.6:
            edge = side.verge_m + side.walk_m + 0.55
            yield from _boundary(street, side, s, width, path, rng, edge)
        s += width + (rng.uniform(2.0, 6.0) if detached else rng.choice([0.0, 0.0, 2.5]))


def _front(
    part: Mesh, side: Side, s: float, width: float, path: Centreline, outward: float
) -> Mesh:
    """Stand a part that runs along x with its front at -y so that it faces the road."""
    centred = part.placed((-width / 2, 0, 0))
    return stand(centred, path, s + width / 2, side.at(outward), side.facing)


def _boundary(
    street: Street, side: Side, s: float, width: float, path: Centreline, rng: np.random.Generator,
    outward: float,
) -> Iterator[Mesh]:  # fmt: skip
    kind = rng.choice(['wall', 'fence', 'hedge'], p=[0.4, 0.4, 0.2])
    if kind == 'hedge':
        part = plants.hedge(rng, street.city.leaf, width)
    else:
        part = {'wall': roadside.wall, 'fence': roadside.fence}[str(kind)](rng, width)
    yield _front(part, side, s, width, path, outward)


def _greenery(
    street: Street,
    side: Side,
    stretch: tuple[float, float],
    path: Centreline,
    rng: np.random.Generator,
) -> Iterator[Mesh]:
    """Street trees at even distances, and bushes and trees in gardens."""
    s, spacing = max(stretch[0], -20.0) + 4.0, rng.uniform(7.0, 16.0)
    lined = side.verge_m > 0 or rng.random() < 0.35
    height = rng.uniform(5.0, 9.0)
    end = min(stretch[1], BUILT_TO_M) - 4.0
    while lined and s < end:
        if rng.random() < 0.85:
            tree = _tree(rng, street, height * rng.uniform(0.85, 1.15))
            yield stand(tree, path, s, side.at(max(side.verge_m * 0.5 + 0.2, 0.7)))
        s += spacing
    if side.garden_m > 0:
        for s in np.arange(max(stretch[0], -10.0) + 2.0, end, rng.uniform(3.0, 8.0)):
            depth = side.verge_m + side.walk_m + rng.uniform(1.4, max(side.garden_m - 1.0, 1.5))
            tall = side.garden_m > 5 and rng.random() < 0.3
            plant = _tree(rng, street, rng.uniform(4, 7)) if tall else (
                plants.bush(rng, street.city.leaf))  # fmt: skip
            yield stand(plant, path, float(s), side.at(float(depth)))


def _tree(rng: np.random.Generator, street: Street, height: float) -> Mesh:
    return plants.tree(rng, street.city.leaf, height, street.style.bare)


def _furniture(
    side: Side, stretch: tuple[float, float], path: Centreline, rng: np.random.Generator
) -> Iterator[Mesh]:
    """Lamps, signs, bollards, railings and poles near the kerb."""
    start, end = max(stretch[0], -5.0) + 2.0, min(stretch[1], 150.0) - 2.0
    near = 0.45
    make = roadside.lamp if rng.random() < 0.75 else roadside.utility_pole
    for s in np.arange(start + rng.uniform(0, 12), end, rng.uniform(17.0, 30.0)):
        yield stand(make(rng), path, float(s), side.at(near), side.turn)
    for s in np.arange(start + rng.uniform(2, 15), end, rng.uniform(13.0, 32.0)):
        yield stand(roadside.traffic_sign(rng), path, float(s), side.at(near + 0.1),
                    0.0 if side.sign < 0 or rng.random() < 0.4 else side.turn)  # fmt: skip
    if rng.random() < 0.3 and end - start > 8:
        pitch = rng.uniform(1.4, 2.5)
        post = roadside.bollard(rng)
        for s in np.arange(start, min(end, start + rng.uniform(8, 30)), pitch):
            yield stand(post, path, float(s), side.at(near))
    if rng.random() < 0.4 and end - start > 14:
        at = rng.uniform(start, end - 10.0)
        yield from _railing(side, float(at), path, rng)


def _railing(side: Side, s: float, path: Centreline, rng: np.random.Generator) -> Iterator[Mesh]:
    piece = roadside.fence(rng, 2.0)
    for place in np.arange(s, s + rng.uniform(6.0, 10.0), 2.0):
        yield _front(piece, side, float(place), 2.0, path, 0.35)


def _signals(street: Street, path: Centreline, rng: np.random.Generator) -> Iterator[Mesh]:
    """Traffic lights before and behind crossing streets, and boards that say where they lead."""
    for a, b in street.crossings:
        if rng.random() < 0.75:
            overhead = rng.random() < 0.5
            near, far = (a - 1.5, street.right, 0.0), (b + 1.0, street.right, 0.0)
            others = (a - 1.5, street.left, 0.0), (b + 1.5, street.left, np.pi)
            for s, side, turn in (near, far, *others):
                light = roadside.traffic_light(rng, overhead and s < b)
                light = light.mirrored() if side.sign > 0 and turn == 0 else light
                yield stand(light, path, s, side.at(0.5), turn)
        if rng.random() < 0.5:
            board = roadside.direction_board(rng)
            yield stand(board, path, a - rng.uniform(14, 25), street.right.at(0.85))


def _cross_street_houses(
    street: Street, side: Side, path: Centreline, rng: np.random.Generator
) -> Iterator[Mesh]:
    """The far corner blocks one sees when looking into a crossing street."""
    for a, b in street.crossings:
        for s, turn in ((a - 2.5, np.pi), (b + 2.5, 0.0)):
            house = buildings.build_house(rng, street.city, 16.0, 9.0)
            middle = side.at(side.front_m + 13.0 + 9.5)
            yield stand(house.placed((-8.0, 0, 0)), path, s, middle, turn - np.pi / 2, 0.0)
        end = buildings.build_house(rng, street.city, 26.0, 9.0)
        yield stand(end.placed((-13.0, 0, 0)), path, (a + b) / 2, side.at(56.0), side.facing, 0.0)


def _closing_row(street: Street, path: Centreline, rng: np.random.Generator) -> Iterator[Mesh]:
    """Houses and trees that close the street at both ends, and a skyline beside it."""
    for s, turn in ((AHEAD_M - 25.0, -np.pi / 2), (-BEHIND_M + 5.0, np.pi / 2)):
        for left in np.arange(-90.0, 90.0, 20.0):
            if rng.random() < 0.7:
                block = buildings.build_house(rng, street.city, 19.0, 12.0)
                yield stand(block.placed((-9.5, 0, 0)), path, s, left, turn, 0.0)
            else:
                yield stand(_tree(rng, street, 13.0), path, s, left, 0.0, 0.0)
    for side in (street.left, street.right):
        for s in np.arange(-20.0, AHEAD_M - 40.0, 17.0):
            away = side.front_m + rng.uniform(24.0, 45.0)
            if rng.random() < 0.7 and not street.in_crossing(float(s), 14.0):
                tree = _tree(rng, street, float(rng.uniform(8.0, 14.0)))
                yield stand(tree, path, float(s), side.at(away), 0.0, 0.0)
