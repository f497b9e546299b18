"""Laws of solids: bars at once are bars one by one, and a rounded skin looks outwards."""

from __future__ import annotations

import numpy as np

from sds_training.streets.mesh import Material, join
from sds_training.streets.shapes import loft, tube, tubes

WOOD = Material(21, 'bark')


def test_bars_made_at_once_are_those_made_one_by_one() -> None:
    starts, ends = np.random.default_rng(0).normal(0, 1, (2, 5, 3))
    at_once = tubes(starts, ends, (0.2, 0.1), WOOD, sides=4)
    singly = join([tube(a, b, (0.2, 0.1), WOOD, 4) for a, b in zip(starts, ends, strict=True)])
    assert np.array_equal(at_once.corners, singly.corners)
    assert np.array_equal(at_once.normals, singly.normals)


def test_a_bar_is_round_about_its_axis() -> None:
    bar = tube((0, 0, 0), (0, 0, 2), 0.5, WOOD, capped=True)
    away = np.hypot(bar.corners[..., 0], bar.corners[..., 1])
    assert np.isclose(away, 0.5).sum() > len(bar) and away.max() < 0.5001
    assert set(np.unique(bar.corners[..., 2])) == {0.0, 2.0}


def test_a_smooth_skin_is_shaded_as_the_body_it_stands_for() -> None:
    angle = np.arange(12) * (np.pi / 6)
    rings = [np.stack((np.full(12, x), np.cos(angle), np.sin(angle)), 1) for x in (0.0, 1.0, 2.0)]
    body = loft(rings, WOOD, smooth=True)
    outward = body.corners * (0, 1, 1)
    alike = np.abs((body.normals * outward).sum(-1))
    assert np.allclose(alike, 1.0, atol=1e-5)
    assert np.array_equal(body.corners, loft(rings, WOOD).corners)
