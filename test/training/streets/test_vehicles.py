"""Laws of vehicles: of one class, on the ground, and one looks into their windows."""

from __future__ import annotations

import numpy as np
import pytest

from sds_training.streets.mesh import Mesh
from sds_training.streets.street import LABEL_ID
from sds_training.streets.style import LIFELIKE, PLAIN
from sds_training.streets.textures import TEXTURE_ID
from sds_training.streets.tracer import Surfaces
from sds_training.streets.vehicles import MAKERS, tram

EVERY = {**MAKERS, 'train': tram}


STYLES = {'plain': PLAIN, 'lifelike': LIFELIKE}


def drawn(kind: str, style: str = 'lifelike') -> list[Mesh]:
    return [EVERY[kind](np.random.default_rng(seed), STYLES[style]) for seed in range(8)]


@pytest.mark.parametrize('style', STYLES)
@pytest.mark.parametrize('kind', EVERY)
def test_a_vehicle_is_of_one_class_and_stands_on_the_ground(kind: str, style: str) -> None:
    for vehicle in drawn(kind, style):
        assert set(vehicle.label) == {LABEL_ID[kind]}
        assert abs(vehicle.corners[..., 2].min()) < 0.15  # metres


@pytest.mark.parametrize('kind', EVERY)
def test_it_has_the_same_shape_and_looks_for_the_same_seed(kind: str) -> None:
    for one, other in zip(drawn(kind), drawn(kind), strict=True):
        assert np.array_equal(one.corners, other.corners)
        assert np.array_equal(one.tint, other.tint) and np.array_equal(one.gloss, other.gloss)


@pytest.mark.parametrize('side', [(1, 0), (-1, 0), (0, 1), (0, -1)])
def test_from_every_side_one_looks_at_glass_above_a_cars_belt(side: tuple[int, int]) -> None:
    for vehicle in drawn('car'):
        top, inward = vehicle.corners[..., 2].max(), np.array([*side, 0])
        across = np.array([side[1], side[0], 0]) * np.linspace(-0.5, 0.5, 11)[:, None]
        start = across - inward * 9.0 + (0, 0, 0.8 * top)
        rays = np.broadcast_to(inward, start.shape)
        hit, _, _ = Surfaces(vehicle).cast(start.astype('f4'), rays.astype('f4'))
        assert (vehicle.texture[hit] == TEXTURE_ID['glass']).mean() > 0.5


@pytest.mark.parametrize('kind', EVERY)
def test_details_are_drawn_apart_from_what_follows(kind: str) -> None:
    generators = [np.random.default_rng(4) for _ in STYLES]
    for rng, style in zip(generators, STYLES.values(), strict=True):
        EVERY[kind](rng, style)
    assert len({rng.random() for rng in generators}) == 1
