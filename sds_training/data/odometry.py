"""What a vehicle says of its camera's motion: speed, yaw rate, and how the camera is mounted.

Vehicle axes as in Cityscapes' camera files (ISO 8855): x ahead, y left, z up; yaw to the left,
pitch down and roll to the right positive. Camera axes: x right, y down, z ahead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Plane = NDArray[np.float64]

_VEHICLE_FROM_OPTICAL = np.array(((0.0, 0.0, 1.0), (-1.0, 0.0, 0.0), (0.0, -1.0, 0.0)))
_MIRROR = np.diag((-1.0, 1.0, 1.0, 1.0))
UNKNOWN = np.full((4, 4), np.nan)
"""The motion nobody has told."""
UNKNOWN_ROAD = np.full(4, np.nan)
"""The road below a camera whose mounting nobody has told."""


@dataclass(frozen=True)
class Mounting:
    """Where a camera sits on its vehicle, and where it looks."""

    x_m: float = 0.0
    y_m: float = 0.0
    yaw: float = 0.0  # radians, like the other angles
    pitch: float = 0.0
    roll: float = 0.0
    z_m: float = math.nan  # over the road; unknown where the file does not tell

    @property
    def vehicle_from_camera(self) -> Matrix:
        """(4, 4); its height changes no motion on a plane and is left out."""
        pose = np.eye(4)
        turned = _about_z(self.yaw) @ _about_y(self.pitch) @ _about_x(self.roll)
        pose[:3, :3] = turned @ _VEHICLE_FROM_OPTICAL
        pose[:2, 3] = self.x_m, self.y_m
        return pose

    @property
    def road(self) -> Plane:
        """(4,) the road in the camera's frame: unit vector down, and metres to it or NaN."""
        down = self.vehicle_from_camera[:3, :3].T @ (0.0, 0.0, -1.0)
        return np.append(down, self.z_m)


@dataclass(frozen=True)
class VehicleState:
    """One moment of a vehicle."""

    speed: float  # metres per second, along its heading
    yaw_rate: float  # radians per second, to the left


def camera_motion(
    states: tuple[VehicleState, VehicleState], seconds: float, mounting: Mounting
) -> Matrix:
    """later_from_now, (4, 4) in metres: how points move in the camera during `seconds`.

    The vehicle drives an arc with the mean of both states; negative seconds look back.
    """
    speed, yaw_rate = (
        sum(getattr(state, name) for state in states) / 2 for name in ('speed', 'yaw_rate')
    )
    turn = yaw_rate * seconds
    chord_m = speed * seconds * np.sinc(turn / (2 * np.pi))
    now_from_later = np.eye(4)
    now_from_later[:3, :3] = _about_z(turn)
    now_from_later[:2, 3] = chord_m * np.cos(turn / 2), chord_m * np.sin(turn / 2)
    mounted = mounting.vehicle_from_camera
    return np.linalg.inv(mounted) @ np.linalg.inv(now_from_later) @ mounted


def mirrored(motion: Matrix) -> Matrix:
    """The same motion where pictures are mirrored left to right."""
    return _MIRROR @ motion @ _MIRROR


def mirrored_road(road: Plane) -> Plane:
    """The same road where pictures are mirrored left to right."""
    return road * (-1.0, 1.0, 1.0, 1.0)


def _about_x(angle: float) -> Matrix:
    c, s = np.cos(angle), np.sin(angle)
    return np.array(((1, 0, 0), (0, c, -s), (0, s, c)))


def _about_y(angle: float) -> Matrix:
    c, s = np.cos(angle), np.sin(angle)
    return np.array(((c, 0, s), (0, 1, 0), (-s, 0, c)))


def _about_z(angle: float) -> Matrix:
    c, s = np.cos(angle), np.sin(angle)
    return np.array(((c, -s, 0), (s, c, 0), (0, 0, 1)))
