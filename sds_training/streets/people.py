"""People on foot and on two wheels, put together from limbs; x forward, feet at the origin."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sds_training.streets.mesh import Material, Mesh, join
from sds_training.streets.shapes import box, disc, ellipsoid, tube
from sds_training.streets.street import LABEL_ID

Color = NDArray[np.float64]  # (3,) linear RGB
Point = NDArray[np.float64]  # (3,) metres


class Person(NamedTuple):
    """What a person wears and how tall they are."""

    height: float
    girth: float
    coat: Color
    trousers: Color
    skin: Color
    hair: Color
    bag: bool


def draw_person(rng: np.random.Generator) -> Person:
    """Draw somebody; one in eight is a child."""
    tall = rng.uniform(1.0, 1.4) if rng.random() < 0.12 else rng.uniform(1.55, 1.92)
    coat = rng.uniform(0.02, 0.5, 3) ** 1.4 if rng.random() < 0.7 else np.full(3, 0.04)
    skin = np.array([0.55, 0.36, 0.27]) * rng.uniform(0.35, 1.1)
    hair = np.array([0.12, 0.08, 0.05]) * rng.uniform(0.2, 3.0)
    trousers = np.array([0.06, 0.07, 0.11]) * rng.uniform(0.4, 3.0)
    return Person(float(tall), float(rng.uniform(0.85, 1.25)), coat, trousers, skin, hair,
                  bool(rng.random() < 0.35))  # fmt: skip


def walker(person: Person, phase: float, stride: float = 1.0) -> Mesh:
    """Somebody walking; `phase` in turns of the gait, stride 0 stands still."""
    number, h, g = LABEL_ID['person'], person.height / 1.75, person.girth
    swing = 0.36 * stride * np.sin(2 * np.pi * phase)
    trousers, coat = _cloth(number, person.trousers), _cloth(number, person.coat)
    parts = []
    for side, angle in ((1.0, swing), (-1.0, -swing)):
        hip = np.array([0, 0.09 * side, 0.88]) * h
        knee = hip + np.array([np.sin(angle) * 0.44, 0, -np.cos(angle) * 0.43]) * h
        back = angle - 0.5 * stride * max(0.0, np.cos(2 * np.pi * phase) * side)
        foot = knee + np.array([np.sin(back) * 0.42, 0, -np.cos(back) * 0.41]) * h
        parts += [
            _limb(hip, knee, 0.085 * g, 0.065, trousers),
            _limb(knee, foot, 0.06, 0.045, trousers),
        ]
        parts.append(box(foot - (0.06, 0.045, 0.035), foot + (0.17, 0.045, 0.05), trousers))
    return join([*parts, *_torso(person, number, np.zeros(3), 0.05, -swing), *_bag(person, coat)])


def _cloth(label: int, color: Color) -> Material:
    return Material(label, 'cloth').tinted(color)


def _limb(start: Point, end: Point, thick: float, thin: float, material: Material) -> Mesh:
    return tube(start, end, (thick, thin), material, sides=6)


def _bag(person: Person, coat: Material) -> list[Mesh]:
    if not person.bag:
        return []
    h = person.height / 1.75
    strap = coat.tinted(person.coat[::-1] * 0.7 + 0.02)
    return [box((-0.3, -0.15, 1.02 * h), (-0.1, 0.15, 1.42 * h), strap)]


def _torso(person: Person, label: int, at: Point, lean: float, swing: float) -> list[Mesh]:
    """Trunk, arms and head above a hip at height 0.88, moved by `at`."""
    h, g = person.height / 1.75, person.girth
    coat, skin = _cloth(label, person.coat), Material(label, 'plain').tinted(person.skin)
    hair = Material(label, 'plain').tinted(person.hair)
    hip, neck = at + np.array([0, 0, 0.85]) * h, at + np.array([lean * 0.6, 0, 1.46]) * h
    chest = hip * 0.45 + neck * 0.55
    head = neck + np.array([lean * 0.12 + 0.01, 0, 0.17]) * h
    parts = [
        ellipsoid(hip * 0.8 + neck * 0.2, np.array([0.13, 0.17, 0.2]) * g * h, coat, 1),
        ellipsoid(chest, np.array([0.135 * g, 0.205 * g, 0.3]) * h, coat, 2),
        _limb(neck - (0, 0, 0.05), head, 0.06 * h, 0.05 * h, skin),
        ellipsoid(head, np.array([0.095, 0.08, 0.125]) * h, skin, 1),
        ellipsoid(
            head + np.array([-0.022, 0, 0.03]) * h, np.array([0.095, 0.088, 0.11]) * h, hair, 1
        ),
    ]
    for side, angle in ((1.0, swing), (-1.0, -swing)):
        shoulder = neck + np.array([0, 0.19 * g * side, -0.06]) * h
        reach = lean * 1.3 + 0.8 * angle
        elbow = shoulder + np.array([np.sin(reach) * 0.28, 0.03 * side, -np.cos(reach) * 0.28]) * h
        bend = reach + 0.35
        hand = elbow + np.array([np.sin(bend) * 0.25, 0, -np.cos(bend) * 0.25]) * h
        parts += [
            _limb(shoulder, elbow, 0.06 * g, 0.05, coat),
            _limb(elbow, hand, 0.047, 0.035, coat),
        ]
        parts.append(ellipsoid(hand, 0.05 * h, skin, 0))
    return parts


def bicycle(rng: np.random.Generator) -> Mesh:
    """A bicycle without its rider."""
    color = Material(LABEL_ID['bicycle'], 'plain', gloss=0.1).tinted(rng.uniform(0.01, 0.5, 3))
    dark = color._replace(tint=(0.02, 0.02, 0.02), gloss=0.0)
    r, saddle, crank = 0.34, np.array([-0.22, 0, 0.92]), np.array([-0.05, 0, 0.32])
    front, back, head = np.array([0.55, 0, r]), np.array([-0.5, 0, r]), np.array([0.38, 0, 0.85])
    bar = head + (0.0, 0, 0.2)
    frame = [(saddle, crank), (crank, head), (saddle * 0.9 + crank * 0.1, head), (back, crank),
             (back, saddle * 0.85 + crank * 0.15), (front, head), (head, bar)]  # fmt: skip
    parts = [tube(a, b, 0.021, color, 5) for a, b in frame]
    parts += [_wheel(r, 0.028, dark).placed(at) for at in (front, back)]
    parts.append(tube(bar - (0, 0.28, 0), bar + (0, 0.28, 0), 0.02, dark, 5))
    parts.append(box(saddle - (0.13, 0.07, 0.03), saddle + (0.11, 0.07, 0.04), dark))
    return join(parts)


@cache
def _wheel(radius: float, thickness: float, material: Material) -> Mesh:
    """A tyre with a few spokes around the origin."""
    angle = np.linspace(0, 2 * np.pi, 19)
    rim = radius * np.stack((np.cos(angle), np.zeros(19), np.sin(angle)), -1)
    parts = [tube(a, b, thickness, material, 4) for a, b in zip(rim[:-1], rim[1:], strict=True)]
    spoke = material.tinted((0.25, 0.25, 0.25))
    parts += [tube((0, 0, 0), rim[i], 0.007, spoke, 3) for i in range(0, 18, 3)]
    return join(parts)


def motorcycle(rng: np.random.Generator) -> Mesh:
    """A motorcycle or scooter without its rider."""
    number = LABEL_ID['motorcycle']
    paint = Material(number, 'paint', gloss=0.12).tinted(rng.uniform(0.01, 0.6, 3))
    dark = Material(number, 'plain', (0.025, 0.025, 0.025))
    steel = Material(number, 'plain', (0.3, 0.3, 0.3), gloss=0.2)
    front, back = np.array([0.72, 0, 0.31]), np.array([-0.68, 0, 0.31])
    head = np.array([0.45, 0, 0.98])
    parts = [_wheel(0.27, thick, dark).placed(at) for thick, at in ((0.065, front), (0.075, back))]
    parts += [disc(w + (0, s * 0.05, 0), s * np.pi / 2, 0.17, steel, 10)
              for w in (front, back) for s in (-1, 1)]  # fmt: skip
    parts += [tube(front + (0, s * 0.09, 0), head + (0, s * 0.09, 0), 0.032, steel, 5)
              for s in (-1, 1)]  # fmt: skip
    lamp = Material(number, 'plain', (0.8, 0.8, 0.75), glow=0.4)
    return join([
        *parts,
        ellipsoid((0.15, 0, 0.86), (0.33, 0.16, 0.16), paint, 2),
        ellipsoid((0.05, 0, 0.48), (0.3, 0.17, 0.2), steel, 1),
        box((-0.72, -0.13, 0.72), (0.0, 0.13, 0.84), dark),
        box((-0.85, -0.1, 0.6), (-0.45, 0.1, 0.74), paint),
        ellipsoid(head + (0.08, 0, 0.0), (0.13, 0.16, 0.17), paint, 1),
        disc(head + (0.215, 0, 0.0), 0.0, 0.08, lamp, 10),
        tube(head + (0, -0.34, 0.12), head + (0, 0.34, 0.12), 0.02, dark, 5),
        tube((-0.1, -0.17, 0.36), (-0.85, -0.2, 0.42), 0.05, steel, 6),
        box((-0.88, -0.08, 0.66), (-0.84, 0.08, 0.74), dark.tinted((0.5, 0.01, 0.01))),
    ])  # fmt: skip


def rider(person: Person, phase: float, motor: bool) -> Mesh:
    """Somebody in the saddle, pedalling unless on a motorcycle."""
    number = LABEL_ID['rider']
    seat = np.array([-0.25, 0, 0.95 if not motor else 0.86])
    h = person.height / 1.75
    trousers = _cloth(number, person.trousers)
    parts = _torso(person, number, seat - (0, 0, 0.85 * h), 0.5 if motor else 0.62, 0.0)
    for side in (1.0, -1.0):
        turn = 2 * np.pi * phase + (0 if side > 0 else np.pi)
        pedal = np.array([-0.05 + 0.17 * np.cos(turn), 0.1 * side, 0.32 + 0.17 * np.sin(turn)])
        foot = np.array([-0.05, 0.2 * side, 0.36]) if motor else pedal
        hip = seat + (0, 0.1 * side, 0.0)
        knee = (hip + foot) / 2 + (0.27 if motor else 0.22, 0.05 * side, 0.06)
        parts += [
            _limb(hip, knee, 0.085, 0.065, trousers),
            _limb(knee, foot, 0.062, 0.05, trousers),
        ]
        parts.append(box(foot - (0.07, 0.045, 0.04), foot + (0.15, 0.045, 0.04), trousers))
    if motor:
        neck = seat - (0, 0, 0.85 * h) + np.array([0.3, 0, 1.46]) * h
        helmet = Material(number, 'plain', gloss=0.15).tinted(person.coat * 0.8 + 0.05)
        parts.append(ellipsoid(neck + np.array([0.07, 0, 0.18]) * h, 0.155, helmet, 2))
    return join(parts)
