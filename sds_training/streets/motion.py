"""How the vehicle moves: speed along the path, and what the road's bumps do to its camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sds_training.streets.path import BUILT_TO_M, Centreline

RATE_HZ = 17.0
FRAMES = 30
MOST_FRAMES = 170  # ten seconds: the fastest drive, 14 m/s and gaining 1.2 m/s², comes to 199 m
_FINE = 20  # integration steps per frame

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Motion:
    """The vehicle at each of F frames; angles in radians, pitch up and roll right positive."""

    s: Array  # metres along the path
    speed: Array  # m/s
    yaw_rate: Array  # rad/s, left positive
    heading: Array
    position: Array  # (F, 3) of the camera, metres
    pitch: Array
    roll: Array

    def world_from_camera(self, frame: int) -> Array:
        """(4, 4) pose of the optical frame (x right, y down, z forward)."""
        return pose_of(self.position[frame], self.heading[frame], self.pitch[frame],
                       self.roll[frame])  # fmt: skip


def pose_of(position: Array, heading: float, pitch: float, roll: float) -> Array:
    """(4, 4) world_from_camera of a camera that looks along `heading`."""
    ch, sh, cp, sp = np.cos(heading), np.sin(heading), np.cos(pitch), np.sin(pitch)
    forward = np.array([ch * cp, sh * cp, sp])
    level_right = np.array([sh, -ch, 0.0])
    level_down = np.cross(forward, level_right)
    right = np.cos(roll) * level_right + np.sin(roll) * level_down
    pose = np.eye(4)
    pose[:3, :3] = np.stack((right, np.cross(forward, right), forward), axis=1)
    pose[:3, 3] = position
    return pose


def draw_speeds(rng: np.random.Generator, frames: int) -> Array:
    """((frames - 1) * _FINE + 1,) speeds: cruising, braking to a stop, setting off or waiting."""
    t = np.arange((frames - 1) * _FINE + 1) / (RATE_HZ * _FINE)
    kind = rng.choice(['cruise', 'brake', 'set off', 'wait'], p=[0.68, 0.14, 0.13, 0.05])
    cruise = rng.uniform(4.0, 14.0)
    if kind == 'cruise':
        return np.maximum(cruise + rng.uniform(-1.2, 1.2) * t, 0.0)
    if kind == 'brake':
        return np.maximum(rng.uniform(2.0, 7.0) - rng.uniform(2.0, 4.0) * t, 0.0)
    if kind == 'set off':
        return np.maximum(rng.uniform(1.5, 2.8) * (t - rng.uniform(0.0, 0.8)), 0.0)
    return np.zeros_like(t)


def draw_motion(
    rng: np.random.Generator, path: Centreline, camera_height_m: float, camera_pitch: float,
    frames: int = FRAMES,
) -> Motion:  # fmt: skip
    """Integrate drawn speeds along the path and shake the camera as bumps would."""
    fine = draw_speeds(rng, frames)
    travelled = np.concatenate(([0.0], np.cumsum((fine[1:] + fine[:-1]) / 2)))
    s = travelled[::_FINE] / (RATE_HZ * _FINE)
    if s[-1] > BUILT_TO_M:
        raise ValueError(
            f'a drive of {frames} frames ends at {s[-1]:.0f} m, '
            f'wanted at most the {BUILT_TO_M:.0f} m of street'
        )
    speed = fine[::_FINE]
    acceleration = np.gradient(fine, 1 / (RATE_HZ * _FINE))[::_FINE] if frames > 1 else np.zeros(1)
    t = np.arange(frames) / RATE_HZ
    rough = rng.uniform(0.2, 1.0) * np.clip(speed / 6.0, 0.0, 1.0)
    bump, sway = _shake(rng, t, 1.6), _shake(rng, t, 1.1)
    height = camera_height_m + 0.012 * rough * bump
    position = path.point(s)
    position[:, 2] = height
    return Motion(
        s=s,
        speed=speed,
        yaw_rate=speed * path.curvature_at(s),
        heading=path.heading_at(s),
        position=position,
        pitch=camera_pitch + np.radians(0.35) * rough * bump + np.radians(0.22) * acceleration,
        roll=np.radians(0.3) * rough * sway + 0.002 * speed**2 * path.curvature_at(s),
    )


def _shake(rng: np.random.Generator, t: Array, frequency_hz: float) -> Array:
    """A few bumps, each answered by a damped swing; about one in size."""
    total = np.zeros_like(t)
    for start, size in zip(rng.uniform(-1.0, t[-1] + 0.1, 5), rng.normal(0, 1, 5), strict=True):
        since = np.maximum(t - start, 0.0)
        total += size * np.exp(-2.5 * since) * np.sin(2 * np.pi * frequency_hz * since)
    return total
