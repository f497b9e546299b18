"""Laws of who stands and moves where: nobody in anybody else, and feet on the ground."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, pairwise
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from sds_training.streets.cities import CITIES
from sds_training.streets.drive import draw_drive
from sds_training.streets.mesh import Mesh
from sds_training.streets.motion import MOST_FRAMES, Motion, draw_motion
from sds_training.streets.parking import draw_parked
from sds_training.streets.path import (
    AHEAD_M,
    BUILT_TO_M,
    Centreline,
    draw_path,
    path_from_curvature,
)
from sds_training.streets.places import Footprint, Places
from sds_training.streets.street import LABEL_ID, Street, build_ground, draw_street
from sds_training.streets.tracer import Surfaces
from sds_training.streets.traffic import Mover, draw_traffic

TWO_WHEELERS = [LABEL_ID['bicycle'], LABEL_ID['motorcycle']]
STRAIGHT = path_from_curvature(np.zeros(len(draw_path(np.random.default_rng(0)).s)))


class Scene(NamedTuple):
    path: Centreline
    street: Street
    motion: Motion
    parked: list[Mesh]
    movers: list[Mover]


def scene(seed: int, path: Centreline | None = None) -> Scene:
    """All of a drive that concerns its traffic; houses are not built."""
    rng = np.random.default_rng(seed)
    path = path or draw_path(rng)
    motion = draw_motion(rng, path, 1.5, 0.0)
    street = draw_street(rng, CITIES[seed % len(CITIES)], path)
    places = Places()
    parked = draw_parked(rng, street, path, places)
    return Scene(path, street, motion, parked, draw_traffic(rng, street, path, motion, places))


@pytest.fixture(scope='module')
def scenes() -> list[Scene]:
    return [scene(seed) for seed in range(6)]


def walking(scene: Scene) -> Iterator[Mover]:
    return (mover for mover in scene.movers if LABEL_ID['person'] in mover.shapes[0].label)


def outline(mesh: Mesh) -> np.ndarray:
    return cv2.convexHull(mesh.corners[..., :2].reshape(-1, 2).astype(np.float32))


def shared_m2(one: np.ndarray, other: np.ndarray) -> float:
    return cv2.intersectConvexConvex(one, other)[0]


@pytest.mark.parametrize('frame', [0, 19, 29])
def test_nobody_stands_rides_or_drives_inside_anybody_else(
    scenes: list[Scene], frame: int
) -> None:
    for each in scenes:
        meshes = [*each.parked, *(mover.mesh(each.path, frame) for mover in each.movers)]
        outlines = list(map(outline, meshes))
        assert max(shared_m2(*pair) for pair in combinations(outlines, 2)) < 0.01


def test_two_wheelers_are_parked_where_somebody_sees_them(scenes: list[Scene]) -> None:
    away = [
        np.hypot(*(mesh.corners.mean((0, 1))[:2] - each.path.point(20.0)[:2]))
        for each in scenes
        for mesh in each.parked
        if np.isin(mesh.label, TWO_WHEELERS).all()
    ]
    assert len(away) > len(scenes) and max(away) < 75.0


def test_rectangles_overlap_in_the_frame_in_which_they_do() -> None:
    still = Footprint(np.zeros((1, 2)), np.zeros(1), np.array([2.0, 1.0]))
    ahead = replace(still, centre=np.array([[3.9, 0.0]]))
    passing = replace(ahead, centre=np.array([[9.0, 2.5], [6.0, 2.5], [2.9, 2.5]]))
    turned = replace(passing, heading=np.full(3, np.pi / 2))
    assert still.overlaps(ahead) and ahead.overlaps(still)
    assert not still.overlaps(passing)
    assert still.overlaps(turned) and turned.overlaps(still)


def test_who_comes_second_leaves_the_place_free() -> None:
    places, here = Places(), Footprint(np.zeros((1, 2)), np.zeros(1), np.ones(2))
    assert places.claim(here)
    assert not places.claim(here)
    assert places.claim(replace(here, centre=np.array([[2.1, 0.0]])))


def test_everybody_on_foot_stands_on_the_ground_in_every_frame() -> None:
    down, stepped = np.array([[0, 0, -1]], np.float32), set()
    for seed in (1, 7):
        each = scene(seed, STRAIGHT)
        ground = Surfaces(build_ground(each.street, STRAIGHT, np.random.default_rng(0)))
        for mover in walking(each):
            above = STRAIGHT.point(mover.s, mover.left, 5.0).astype(np.float32)
            _, fallen, _ = ground.cast(above, np.repeat(down, len(above), axis=0))
            assert np.allclose(5.0 - fallen, mover.z, atol=1e-3)
            if np.ptp(mover.z) > 0:
                stepped.add('along' if mover.turn in (0.0, np.pi) else 'across')
    assert stepped == {'along', 'across'}  # somebody does step over a kerb, either way


@pytest.mark.parametrize('number', [0, 6])
def test_nobody_walks_through_what_stands_at_the_kerb_or_around_gardens(number: int) -> None:
    drive = draw_drive(77, number, 64, 32)
    around = np.arange(8) * np.pi / 4
    level = np.stack((np.cos(around), np.sin(around), np.zeros(8)), axis=-1).astype(np.float32)
    world = Surfaces(drive.world)
    walkers = [m for m in drive.movers if LABEL_ID['person'] in m.shapes[0].label]
    for mover in walkers:
        hips = drive.path.point(mover.s, mover.left, mover.z + 0.9).astype(np.float32)
        _, away, _ = world.cast(np.repeat(hips, 8, axis=0), np.tile(level, (len(hips), 1)))
        assert away.min() > 0.2  # metres
    assert len(walkers) > 5


def test_nobody_drives_backwards_when_we_stop(scenes: list[Scene]) -> None:
    stopped = replace(scenes[0].motion, s=np.minimum(np.arange(30) * 0.2, 2.0))
    with_us = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        street = draw_street(rng, CITIES[0], STRAIGHT)
        movers = draw_traffic(rng, street, STRAIGHT, stopped, Places())
        with_us += [mover for mover in movers if mover.turn == 0]
    assert len(with_us) > 3 and all((np.diff(mover.s) >= 0).all() for mover in with_us)


def test_nobody_rides_where_we_drive(scenes: list[Scene]) -> None:
    street, ours = scenes[0].street, np.arange(30) * 1.5
    narrow = replace(street, right=replace(street.right, edge_m=-1.5, parking=False))
    ahead = []
    for seed in range(4):
        rng, motion = np.random.default_rng(seed), replace(scenes[0].motion, s=ours)
        ahead += [m for m in draw_traffic(rng, narrow, STRAIGHT, motion, Places()) if m.turn == 0]
    passed = [m for m in ahead if np.abs(m.left[0]) < 1.2 and (m.s - ours).min() < 2.3]
    assert len(ahead) > 3 and not passed


def test_cyclists_on_one_side_keep_one_distance_from_the_kerb(scenes: list[Scene]) -> None:
    street, motion, most = scenes[0].street, scenes[0].motion, 0
    narrow = replace(street, right=replace(street.right, edge_m=-1.7, parking=False))
    for seed in range(4):
        movers = draw_traffic(np.random.default_rng(seed), narrow, STRAIGHT, motion, Places())
        lines = [float(m.left[0]) for m in movers if m.turns_per_m == 0.35 and m.turn == 0]
        assert len(set(lines)) <= 1
        most = max(most, len(lines))
    assert most > 1


def test_beyond_its_ends_the_line_goes_straight_on() -> None:
    path = draw_path(np.random.default_rng(3))
    places = path.point(AHEAD_M + np.arange(3.0), 2.0)
    steps = [there - here for here, there in pairwise(places)]
    assert np.allclose(np.linalg.norm(steps, axis=1), 1.0)
    assert np.allclose(steps[0], steps[1])


def test_the_longest_drive_that_may_be_asked_for_ends_on_the_street() -> None:
    for seed in range(200):
        rng = np.random.default_rng(seed)
        assert draw_motion(rng, STRAIGHT, 1.5, 0.0, MOST_FRAMES).s[-1] < BUILT_TO_M


def test_a_drive_past_the_end_of_the_street_is_refused() -> None:
    with pytest.raises(ValueError, match='ends at .* m, wanted at most the 210 m of street'):
        for seed in range(20):
            draw_motion(np.random.default_rng(seed), STRAIGHT, 1.5, 0.0, 500)
