"""Laws of what shines: it shows what stands around it, and what does not shine shows nothing."""

from __future__ import annotations

import numpy as np

from sds_training.streets.atlas import build_atlas
from sds_training.streets.light import Light
from sds_training.streets.mesh import Material, Mesh, join
from sds_training.streets.shading import Eye, shade
from sds_training.streets.shapes import box, plate
from sds_training.streets.textures import SIDE, TEXTURES
from sds_training.streets.tracer import Surfaces, Tracer

ATLAS = build_atlas(np.full((len(TEXTURES), SIDE, SIDE, 3), 128, np.uint8))
GREY = np.full(3, 0.5, np.float32)
NOON = Light(np.array([0, 0, 1], 'f4'), GREY, GREY, GREY, GREY, 1.0, 0.0, 0.0,
             np.zeros((SIDE, SIDE), 'f4'), GREY)  # fmt: skip
EYE = np.array([0, 0, 1], np.float32)
AHEAD = np.array([[1], [0], [0]], np.float32)
RED_BEHIND_US = box((-3, -1, 0), (-2, 1, 2), Material(1, tint=(0.9, 0.0, 0.0)))


def wall(gloss: float) -> Mesh:
    """An upright black plate five metres ahead."""
    corners = [(5, -1, 0), (5, 1, 0), (5, 1, 2), (5, -1, 2)]
    return plate(corners, Material(1, tint=(0.01, 0.01, 0.01), gloss=gloss))


def seen(standing: Mesh, moving: Mesh | None = None, mirrors: bool = True) -> np.ndarray:
    """Light straight ahead."""
    tracer = Tracer(Surfaces(standing), Surfaces(moving) if moving else None)
    hits = tracer.look(EYE, AHEAD, np.ones(1, bool))
    step = np.full(3, 1e-3, np.float32)
    eye = Eye(EYE, step, step, mirrors=mirrors)
    return shade(tracer, ATLAS, NOON, eye, AHEAD, hits)[:, 0]


def test_a_mirror_ahead_shows_what_stands_behind_us() -> None:
    alone, red = seen(wall(0.5)), seen(join([wall(0.5), RED_BEHIND_US]))
    assert red[0] > 1.5 * red[1]
    assert np.allclose(alone, alone[0], atol=1e-3)


def test_a_mirror_shows_what_moves_as_well() -> None:
    assert np.allclose(seen(wall(0.5), RED_BEHIND_US), seen(join([wall(0.5), RED_BEHIND_US])))


def test_a_dull_wall_shows_nothing_but_itself() -> None:
    assert np.array_equal(seen(wall(0.0)), seen(join([wall(0.0), RED_BEHIND_US])))


def test_on_plain_streets_a_mirror_shows_nothing_but_light() -> None:
    red = join([wall(0.5), RED_BEHIND_US])
    assert np.array_equal(seen(wall(0.5), mirrors=False), seen(red, mirrors=False))
