"""Who moves: vehicles in their lanes, a tram on its tracks, riders at the edge, people on foot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sds_training.streets import people, vehicles
from sds_training.streets.mesh import Mesh, join
from sds_training.streets.motion import RATE_HZ, Motion
from sds_training.streets.path import Centreline
from sds_training.streets.places import Footprint, Places, footprint, stand
from sds_training.streets.street import PARKING_M, Street
from sds_training.streets.style import Style

_PHASES = 8
_ON_ZEBRA_M = (1.9, 3.8)  # before the crossing street; the lights stand at 1.5
_OURSELVES = np.array([2.3, 0.9])  # half our own length and width, metres
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Mover:
    """One moving object: its poses of gait, and where it is in each frame."""

    shapes: tuple[Mesh, ...]
    s: Array  # (F,) along the path
    left: Array  # (F,)
    z: Array  # (F,)
    turn: float  # heading relative to the path
    turns_per_m: float  # gait cycles or pedal turns per metre travelled

    def mesh(self, path: Centreline, frame: int) -> Mesh:
        """Its triangles in the world at one frame."""
        travelled = np.hypot(self.s - self.s[0], self.left - self.left[0])[frame]
        shape = self.shapes[int(travelled * self.turns_per_m * _PHASES) % len(self.shapes)]
        return stand(shape, path, self.s[frame], self.left[frame], self.turn, self.z[frame])

    def footprint(self, path: Centreline) -> Footprint:
        """The ground it covers in every frame."""
        return footprint(self.shapes, path, self.s, self.left, self.turn)


def draw_traffic(
    rng: np.random.Generator, street: Street, path: Centreline, motion: Motion, places: Places
) -> list[Mover]:
    """Everybody who moves during the drive; whoever would run into somebody else stays away."""
    places.claim(Footprint(path.point(motion.s)[:, :2], motion.heading, _OURSELVES))
    drawn = [
        *_own_lane(rng, street, motion),
        *_other_lanes(rng, street, motion),
        *_trams(rng, street, motion),
        *_riders(rng, street, motion),
        *_walkers(rng, street, motion),
        *_crossers(rng, street, motion),
    ]
    return [mover for mover in drawn if places.claim(mover.footprint(path))]


def draw_vehicle(rng: np.random.Generator, style: Style) -> Mesh:
    """A vehicle of the road, mostly a car."""
    kind = rng.choice(['car', 'truck', 'bus', 'motorcycle'], p=[0.6, 0.17, 0.12, 0.11])
    if kind == 'motorcycle':
        return mounted(rng, motor=True)[0]
    return vehicles.MAKERS[str(kind)](rng, style)


def mounted(rng: np.random.Generator, motor: bool) -> tuple[Mesh, ...]:
    """Somebody riding, in all phases of pedalling."""
    person = people.draw_person(rng)._replace(bag=False)
    vehicle = people.motorcycle(rng) if motor else people.bicycle(rng)
    if person.height < 1.5:
        person = person._replace(height=1.65)
    phases = [0.0] if motor else np.arange(_PHASES) / _PHASES
    return tuple(join([vehicle, people.rider(person, float(p), motor)]) for p in phases)


def _steady(motion: Motion, start: float, speed: float) -> Array:
    return start + speed * np.arange(len(motion.s)) / RATE_HZ


def _fixed(motion: Motion, value: float) -> Array:
    return np.full(len(motion.s), value)


def _own_lane(rng: np.random.Generator, street: Street, motion: Motion) -> Iterator[Mover]:
    """Vehicles ahead in our lane keep our speed and slowly close in or draw away."""
    gap, drift = rng.uniform(7.0, 40.0), rng.uniform(-0.8, 1.5)
    if rng.random() < 0.3:
        gap += 40.0
    queue = rng.spawn(1)[0]  # drawn apart from who drives where
    if queue.random() < street.style.queues:
        gap, drift = queue.uniform(2.5, 8.0), max(drift, 0.0)
    for _ in range(2):
        shape = draw_vehicle(rng, street.style)
        half = shape.length_m / 2
        start = gap + half + 2.0
        # Where we stop, a vehicle that closed in stops too: nobody drives backwards.
        s = np.maximum.accumulate(_steady(motion, start, drift) + motion.s)
        left = _fixed(motion, float(rng.normal(0, 0.15)))
        yield Mover((shape,), s, left, _fixed(motion, 0.0), 0.0, 0.0)
        gap = start + half + rng.uniform(5.0, 30.0)


def _other_lanes(rng: np.random.Generator, street: Street, motion: Motion) -> Iterator[Mover]:
    """Neighbour lanes move at their own pace, oncoming ones turned around."""
    lanes = [(c, 0.0) for c in street.own_lanes if abs(c) > 0.5]
    lanes += [(c, np.pi) for c in street.other_lanes]
    for centre, turn in lanes:
        speed = float(rng.uniform(3.0, 13.0)) * (rng.random() > 0.15)
        s = rng.uniform(-12.0, 20.0)
        while s < 150.0:
            shape = draw_vehicle(rng, street.style)
            s += shape.length_m / 2
            along = _steady(motion, s, speed if turn == 0 else -speed)
            left = _fixed(motion, centre + float(rng.normal(0, 0.15)))
            yield Mover((shape,), along, left, _fixed(motion, 0.0), turn, 0.0)
            s += shape.length_m / 2 + rng.uniform(4.0, 10.0) + speed * rng.uniform(0.5, 6.0)


def _trams(rng: np.random.Generator, street: Street, motion: Motion) -> Iterator[Mover]:
    for track, turn in zip(street.tracks, (0.0, np.pi), strict=False):
        if rng.random() < 0.75:
            start = rng.uniform(10.0, 70.0) + (10.0 if turn else 0.0)
            speed = rng.uniform(0.0, 10.0) * (1 if turn == 0 else -1)
            shape = vehicles.tram(rng, street.style)
            along, left = _steady(motion, start, speed), _fixed(motion, track)
            yield Mover((shape,), along, left, _fixed(motion, 0.0), turn, 0.0)


def _riders(rng: np.random.Generator, street: Street, motion: Motion) -> Iterator[Mover]:
    """Cyclists keep to the edge of the carriageway on either side."""
    for side in (street.right, street.left):
        edge, turn = side.at(-(PARKING_M + 0.5) if side.parking else -0.7), side.turn
        if turn == 0 and abs(edge) < 1.5:
            edge -= 0.3
        for s in 6.0 + np.cumsum(rng.uniform(6.0, 40.0, int(rng.integers(0, 5)))):
            shapes = mounted(rng, motor=False)
            speed = rng.uniform(2.5, 6.0) * (1 if turn == 0 else -1)
            along = _steady(motion, float(s), speed)
            yield Mover(shapes, along, _fixed(motion, edge), _fixed(motion, 0.0), turn, 0.35)


def _walkers(rng: np.random.Generator, street: Street, motion: Motion) -> Iterator[Mover]:
    """People on both sidewalks, in either direction, some standing."""
    for side in (street.left, street.right):
        inner, outer = side.free_walk
        for s in 3.0 + 72.0 * rng.random(int(rng.integers(4, 15))) ** 1.5:
            back = rng.random() < 0.5
            speed = float(rng.uniform(0.9, 1.7)) * (rng.random() > 0.12)
            along = _steady(motion, float(s), -speed if back else speed)
            turn = np.pi * back if speed else float(rng.uniform(-np.pi, np.pi))
            left = _fixed(motion, side.at(float(rng.uniform(inner, outer))))
            z = street.height_at(along, left)
            yield Mover(_gait(rng, speed > 0), along, left, z, turn, 0.7)


def _gait(rng: np.random.Generator, moving: bool) -> tuple[Mesh, ...]:
    person = people.draw_person(rng)
    phases = np.arange(_PHASES) / _PHASES if moving else [0.0]
    return tuple(people.walker(person, float(p), 1.0 if moving else 0.15) for p in phases)


def _crossers(rng: np.random.Generator, street: Street, motion: Motion) -> Iterator[Mover]:
    """People on the zebras, well clear of where we are."""
    for start, _ in street.crossings:
        if start - 4.0 < motion.s[-1] + 4.0 or rng.random() < 0.35:
            continue
        for _ in range(int(rng.integers(1, 6))):
            way = float(rng.choice([-1.0, 1.0]))
            at = float(rng.uniform(street.right.edge_m, street.left.edge_m))
            left = at + way * rng.uniform(0.8, 1.5) * np.arange(len(motion.s)) / RATE_HZ
            s = _fixed(motion, start - float(rng.uniform(*_ON_ZEBRA_M)))
            z = street.height_at(s, left)
            yield Mover(_gait(rng, True), s, left, z, way * np.pi / 2, 0.7)
