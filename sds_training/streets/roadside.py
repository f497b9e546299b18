"""What stands along the road: lamps, lights, signs, bollards, walls and fences.

Everything looks towards -x, at the traffic that drives along +x, and stands at the origin.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sds_training.streets.mesh import Material, Mesh, join
from sds_training.streets.shapes import box, boxes, disc, tube
from sds_training.streets.street import LABEL_ID

_POLE, _SIGN, _LIGHT = LABEL_ID['pole'], LABEL_ID['traffic sign'], LABEL_ID['traffic light']
_STEEL = Material(_POLE, 'plain', (0.27, 0.28, 0.29), gloss=0.1)
_WHITE = Material(_SIGN, 'plain', (0.78, 0.78, 0.76))
_RED = Material(_SIGN, 'plain', (0.55, 0.02, 0.03))
_BLUE = Material(_SIGN, 'plain', (0.02, 0.1, 0.45))
_YELLOW = Material(_SIGN, 'plain', (0.75, 0.5, 0.02))
_BLACK = Material(_SIGN, 'plain', (0.02, 0.02, 0.02))
_BACK = np.pi  # faces look towards -x
_POINT_UP = np.pi / 2


def lamp(rng: np.random.Generator) -> Mesh:
    """A street lamp whose arm reaches towards +y."""
    height, reach = rng.uniform(5.5, 9.0), rng.uniform(0.8, 2.2)
    steel = _STEEL.tinted(np.array(_STEEL.tint) * rng.uniform(0.3, 1.5))
    head = steel.tinted((0.5, 0.5, 0.48))
    top = np.array([0, reach, height + 0.3])
    return join([
        tube((0, 0, 0), (0, 0, 1.0), 0.12, steel),
        tube((0, 0, 1.0), (0, 0, height), (0.09, 0.06), steel),
        tube((0, 0, height), top, 0.045, steel),
        box(top + (-0.14, -0.1, -0.08), top + (0.14, 0.6, 0.06), head),
    ])  # fmt: skip


def utility_pole(rng: np.random.Generator) -> Mesh:
    """A wooden pole with a cross arm."""
    wood = Material(_POLE, 'bark', (0.2, 0.15, 0.1))
    height = rng.uniform(7.0, 9.0)
    arm = box((-0.06, -1.0, height - 0.8), (0.06, 1.0, height - 0.65), wood)
    return join([tube((0, 0, 0), (0, 0, height), (0.15, 0.11), wood), arm])


def bollard(rng: np.random.Generator) -> Mesh:
    """A short post."""
    color = Material(_POLE, 'paint').tinted(np.full(3, rng.uniform(0.05, 0.6)))
    height = rng.uniform(0.75, 1.05)
    return tube((0, 0, 0), (0, 0, height), rng.uniform(0.05, 0.11), color, capped=True)


def traffic_light(rng: np.random.Generator, overhead: bool) -> Mesh:
    """A signal on a pole; `overhead` adds a second one on an arm towards +y."""
    state = int(rng.integers(3))
    parts = [tube((0, 0, 0), (0, 0, 3.6), 0.075, _STEEL), _signal(state, (-0.12, 0, 2.75))]
    if overhead:
        parts += [
            tube((0, 0, 3.5), (0, 0, 5.8), 0.085, _STEEL),
            tube((0, 0, 5.6), (0, 4.2, 5.8), 0.06, _STEEL),
            _signal(state, (-0.15, 3.9, 5.25)),
        ]
    return join(parts)


def _signal(state: int, at: tuple[float, float, float]) -> Mesh:
    """Three lamps in a dark housing on a back plate; `state` 0 green, 1 amber, 2 red."""
    case = Material(_LIGHT, 'plain', (0.025, 0.028, 0.025))
    at = np.asarray(at)
    lamps = [(0.02, 0.75, 0.35), (0.95, 0.5, 0.03), (0.95, 0.04, 0.02)]
    parts = [box(at + (-0.12, -0.17, -0.48), at + (0.12, 0.17, 0.52), case)]
    for place, color in enumerate(lamps):
        on = place == state
        glow = Material(_LIGHT, 'plain', color if on else tuple(np.array(color) * 0.08),
                        glow=2.2 if on else 0.0)  # fmt: skip
        parts.append(disc(at + (-0.125, 0, -0.3 + 0.32 * place), _BACK, 0.115, glow, 12))
    return join(parts)


def traffic_sign(rng: np.random.Generator) -> Mesh:
    """A sign on its post: prohibition, warning, direction, priority, stop or parking."""
    height = rng.uniform(2.1, 2.9)
    board, symbol = _SIGNS[rng.integers(len(_SIGNS))]
    post = tube((0, 0, 0), (0, 0, height + 0.3), 0.035, _STEEL)
    size = rng.uniform(0.36, 0.5)
    front, back = board.cut(-0.06, _BACK, size), board.bare().cut(-0.05, 0.0, size)
    parts = [each.placed((0, 0, height)) for each in (front, back)]
    return join([post, *parts, *(each.placed((-0.06, 0, height)) for each in symbol(size))])


class _Board(NamedTuple):
    """What a sign is cut from: a regular polygon, `radius` times the sign's size."""

    material: Material
    radius: float = 1.0
    corners: int = 16
    turn: float = 0.0

    def cut(self, x: float, yaw: float, size: float) -> Mesh:
        """The polygon at `x`, looking towards `yaw`."""
        return disc((x, 0, 0), yaw, size * self.radius, self.material, self.corners, self.turn)

    def bare(self) -> _Board:
        """The same outline in the grey of its back."""
        return self._replace(material=Material(_SIGN, 'plain', (0.3, 0.3, 0.3)))


def _ban(size: float) -> list[Mesh]:
    bars = [box((-0.025, y - 0.05, -size * 0.35), (-0.015, y + 0.05, size * 0.35), _BLACK)
            for y in (-0.12, 0.12)]  # fmt: skip
    return [disc((-0.01, 0, 0), _BACK, size * 0.74, _WHITE), *bars]


def _warning(size: float) -> list[Mesh]:
    inner = disc((-0.01, 0, 0), _BACK, size * 0.8, _WHITE, 3, _POINT_UP)
    return [inner, box((-0.02, -0.04, -0.2), (-0.015, 0.04, 0.25), _BLACK)]


def _order(size: float) -> list[Mesh]:
    shaft = box((-0.02, -0.05, -size * 0.55), (-0.01, 0.05, size * 0.3), _WHITE)
    return [shaft, disc((-0.015, 0, size * 0.35), _BACK, size * 0.3, _WHITE, 3, _POINT_UP)]


def _priority(size: float) -> list[Mesh]:
    return [disc((-0.01, 0, 0), _BACK, size * 0.76, _YELLOW, 4)]


def _stop(size: float) -> list[Mesh]:
    text = box((-0.02, -size * 0.6, -0.08), (-0.015, size * 0.6, 0.08), _WHITE)
    return [disc((-0.01, 0, 0), _BACK, size * 0.92, _RED, 8, np.pi / 8), text]


def _parking(size: float) -> list[Mesh]:
    stem = box((-0.02, 0.1, -size * 0.7), (-0.01, 0.22, size * 0.7), _WHITE)
    return [stem, disc((-0.012, 0.0, size * 0.3), _BACK, size * 0.36, _WHITE, 10)]


_SIGNS = (
    (_Board(_RED), _ban),
    (_Board(_RED, 1.2, 3, _POINT_UP), _warning),
    (_Board(_BLUE), _order),
    (_Board(_WHITE, 1.0, 4), _priority),
    (_Board(_WHITE, 1.0, 8, np.pi / 8), _stop),
    (_Board(_BLUE, np.sqrt(2), 4, np.pi / 4), _parking),
)


def direction_board(rng: np.random.Generator) -> Mesh:
    """A large board on two posts side by side, as at junctions."""
    color = _BLUE if rng.random() < 0.5 else _YELLOW
    width, low, high = rng.uniform(1.6, 2.3), 2.3, rng.uniform(3.4, 4.2)
    rows = np.linspace(low + 0.25, high - 0.35, 3)
    lows = np.stack((np.full(3, -0.1), np.full(3, -width * 0.4), rows), -1)
    wide = rng.uniform(0.5, 0.75, 3) * width
    highs = lows + np.stack((np.full(3, 0.02), wide, np.full(3, 0.14)), -1)
    text = _WHITE if color is _BLUE else _BLACK
    posts = [tube((0.05, y, 0), (0.05, y, high), 0.05, _STEEL) for y in (-0.2, 0.2)]
    return join([box((-0.08, -width / 2, low), (-0.02, width / 2, high), color),
                 boxes(lows, highs, text), *posts])  # fmt: skip


def wall(rng: np.random.Generator, length: float) -> Mesh:
    """A free-standing wall along x with a coping."""
    texture = str(rng.choice(['brick', 'stones', 'panels', 'plaster']))
    tone = np.array([0.42, 0.38, 0.33]) * rng.uniform(0.6, 1.4) * rng.uniform(0.85, 1.15, 3)
    face = Material(LABEL_ID['wall'], texture).tinted(tone)
    height = rng.uniform(1.2, 2.8)
    cap = face.tinted(tone * 1.3)._replace(texture='plain')
    return join([box((0, -0.15, 0), (length, 0.15, height), face),
                 box((0, -0.2, height), (length, 0.2, height + 0.1), cap)])  # fmt: skip


def fence(rng: np.random.Generator, length: float) -> Mesh:
    """A fence along x: wooden boards, iron bars or a crash barrier."""
    kind = rng.choice(['boards', 'bars', 'rail'], p=[0.45, 0.35, 0.2])
    height = float(rng.uniform(0.9, 1.7))
    if kind == 'rail':
        return _crash_barrier(rng, length)
    wood = kind == 'boards'
    tint = rng.uniform(0.1, 0.4) * np.array([1.0, 0.8, 0.6]) if wood else np.full(3, 0.06)
    if rng.random() < 0.35:
        tint = np.array([0.55, 0.55, 0.52])
    color = Material(LABEL_ID['fence'], 'planks' if wood else 'paint').tinted(tint)
    pitch, width, depth = (0.16, 0.11, 0.025) if wood else (0.14, 0.03, 0.03)
    x = np.arange(0, length, pitch)
    lows = np.stack((x, np.full_like(x, -depth / 2), np.full_like(x, 0.08)), -1)
    bars = boxes(lows, lows + (width, depth, height - 0.08), color)
    rails = boxes([[0, 0.0, height * 0.2], [0, 0.0, height * 0.8]],
                  [[length, 0.05, height * 0.2 + 0.07], [length, 0.05, height * 0.8 + 0.07]],
                  color)  # fmt: skip
    return join([bars, rails])


def _crash_barrier(rng: np.random.Generator, length: float) -> Mesh:
    steel = Material(LABEL_ID['fence'], 'ribbed', (0.35, 0.36, 0.37), gloss=0.1)
    x = np.arange(0.5, length, 2.0)
    lows = np.stack((x, np.zeros_like(x), np.zeros_like(x)), -1)
    posts = boxes(lows, lows + (0.1, 0.1, 0.7), steel)
    beam = boxes([[0, -0.06, 0.45]], [[length, 0.0, 0.78]], steel)
    return join([posts, beam])
