"""The line the vehicle drives along, and the coordinates of a street around it.

A street point is (s, left): metres along the line, metres to the left of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

BEHIND_M = 60.0
AHEAD_M = 330.0
BUILT_TO_M = 210.0  # beyond it a closing row of houses and trees ends the view
_STEP_M = 0.5

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Centreline:
    """A smooth line from s = -BEHIND_M to s = AHEAD_M; it starts at the origin along x."""

    s: Array  # (N,) metres
    x: Array
    y: Array
    heading: Array  # radians, left is positive
    curvature: Array  # 1/m

    def heading_at(self, s: ArrayLike) -> Array:
        """Radians from the x axis."""
        return np.interp(s, self.s, self.heading)

    def curvature_at(self, s: ArrayLike) -> Array:
        """One over the radius, positive in a left curve."""
        return np.interp(s, self.s, self.curvature)

    def point(self, s: ArrayLike, left: ArrayLike = 0.0, z: ArrayLike = 0.0) -> Array:
        """(..., 3) world coordinates of street points; beyond its ends the line is straight."""
        s, left, z = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (s, left, z)))
        heading = self.heading_at(s)
        beyond = s - np.clip(s, self.s[0], self.s[-1])
        x = np.interp(s, self.s, self.x) + np.cos(heading) * beyond - np.sin(heading) * left
        y = np.interp(s, self.s, self.y) + np.sin(heading) * beyond + np.cos(heading) * left
        return np.stack((x, y, z), axis=-1)

    def straight(self, start: float, end: float, limit: float) -> bool:
        """Whether the line is nearly straight, less curved than `limit`, between two places."""
        between = (self.s >= start) & (self.s <= end)
        return bool(np.abs(self.curvature[between]).max(initial=0.0) < limit)


def path_from_curvature(curvature: Array) -> Centreline:
    """Integrate (N,) curvatures, one each half metre from -BEHIND_M on."""
    s = np.arange(len(curvature)) * _STEP_M - BEHIND_M
    middle = (curvature[1:] + curvature[:-1]) / 2 * _STEP_M
    heading = np.concatenate(([0.0], np.cumsum(middle)))
    heading -= np.interp(0.0, s, heading)
    halfway = (heading[1:] + heading[:-1]) / 2
    x = np.concatenate(([0.0], np.cumsum(np.cos(halfway)))) * _STEP_M
    y = np.concatenate(([0.0], np.cumsum(np.sin(halfway)))) * _STEP_M
    return Centreline(s, x - np.interp(0.0, s, x), y - np.interp(0.0, s, y), heading, curvature)


def draw_path(rng: np.random.Generator) -> Centreline:
    """Straight, sweeping, winding or turning; never more than a quarter turn in all."""
    count = round((AHEAD_M + BEHIND_M) / _STEP_M) + 1
    s = np.arange(count) * _STEP_M - BEHIND_M
    curvature = np.zeros(count)
    kind = rng.choice(['straight', 'sweep', 'wind', 'turn'], p=[0.35, 0.25, 0.2, 0.2])
    side = rng.choice([-1.0, 1.0])
    if kind == 'sweep':
        curvature += side / rng.uniform(220, 500)
    elif kind == 'wind':
        curvature += (
            side / rng.uniform(130, 260) * np.sin(s / rng.uniform(22, 40) + rng.uniform(0, 6))
        )
    elif kind == 'turn':
        radius, angle = rng.uniform(45, 90), np.radians(rng.uniform(30, 80))
        length = 1.6 * radius * angle
        into = np.clip((s - rng.uniform(-5, 70)) / length, 0, 1)
        curvature += side * angle / length * (1 - np.cos(2 * np.pi * into))
    return path_from_curvature(curvature)
