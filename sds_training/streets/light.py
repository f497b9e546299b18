"""Weather and daylight of a drive: sun, sky, clouds and fog, in linear RGB."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sds_training.streets.mesh import Floats
from sds_training.streets.textures import SIDE, noise


@dataclass(frozen=True)
class Light:
    """Where light comes from in a drive; colours are linear RGB, white paper in sun is about 1."""

    sun_direction: Floats  # (3,) unit, towards the sun
    sun: Floats  # (3,)
    zenith: Floats
    horizon: Floats
    ground: Floats  # light from below
    ambient: float  # share of the sky's light that reaches a level surface
    haze_per_m: float
    cloud_cover: float
    clouds: NDArray[np.float32]  # (SIDE, SIDE) noise of unit deviation
    cloud_light: Floats

    def sky(self, direction: Floats) -> Floats:
        """(N, 3) light of the sky seen along (N, 3) unit directions."""
        up = np.clip(direction[:, 2], 0.0, 1.0)[:, None]
        base = self.horizon + (self.zenith - self.horizon) * (1 - (1 - up) ** 3)
        cover = self._cloudiness(direction)
        facing = np.clip(direction @ self.sun_direction, 0.0, 1.0)[:, None]
        glow = self.sun * (0.12 * facing**8 + 0.9 * facing**120)
        return base + (self.cloud_light - base) * cover + glow * (1 - 0.7 * cover)

    def plain_sky(self, up: Floats) -> Floats:
        """(N, 3) sky without clouds, for reflections; `up` (N,) sine of elevation."""
        up = np.clip(up, 0.0, 1.0)[:, None]
        return self.horizon + (self.zenith - self.horizon) * (1 - (1 - up) ** 2)

    def from_around(self, normals: Floats) -> Floats:
        """(N, 3) diffuse light on surfaces with these (N, 3) normals."""
        up = (0.5 + 0.5 * normals[:, 2])[:, None]
        sky = 0.5 * (self.zenith + self.horizon)
        return self.ambient * (self.ground + (sky - self.ground) * up)

    def _cloudiness(self, direction: Floats) -> Floats:
        height = np.maximum(direction[:, 2], 0.02) + 0.12
        at = direction[:, :2] / height[:, None] * np.float32(SIDE / 9.0)
        field = _wrapped(self.clouds, at)
        edge = np.clip((field - 1.3 + 2.6 * self.cloud_cover) / 1.1, 0.0, 1.0)
        fade = np.clip(direction[:, 2] * 9.0, 0.15, 1.0)
        return (edge * edge * (3 - 2 * edge) * fade)[:, None]


def _wrapped(image: NDArray[np.float32], at: Floats) -> Floats:
    """Bilinear lookup in a seamless picture at (N, 2) pixel coordinates."""
    columns = 1 << 12
    padded = np.pad(np.mod(at, SIDE), ((0, -len(at) % columns), (0, 0))).astype(np.float32)
    x, y = (padded[:, k].reshape(-1, columns) for k in (0, 1))
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP).ravel()[: len(at)]


def draw_light(rng: np.random.Generator) -> Light:
    """Draw a clear, broken, overcast, low-sun or foggy day."""
    kind = rng.choice(
        ['clear', 'broken', 'overcast', 'low', 'fog'], p=[0.3, 0.27, 0.2, 0.15, 0.08]
    )
    low = kind == 'low'
    elevation = np.radians(rng.uniform(9, 20) if low else rng.uniform(25, 65))
    azimuth = rng.uniform(0, 2 * np.pi)
    direction = [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth),
                 np.sin(elevation)]  # fmt: skip
    warm = np.array([1.0, 0.72, 0.45]) if low else np.array([1.0, 0.95, 0.86])
    dull = kind in ('overcast', 'fog')
    grey = np.array([0.72, 0.74, 0.77]) * rng.uniform(0.75, 1.1)
    blue = np.array([0.16, 0.33, 0.72]) * rng.uniform(0.75, 1.2)
    pale = np.array([0.78, 0.74, 0.66]) if low else np.array([0.68, 0.77, 0.86])
    cover = {'clear': 0.2, 'broken': 0.52, 'overcast': 0.85, 'low': 0.35, 'fog': 0.9}[str(kind)]
    haze = rng.uniform(0.008, 0.02) if kind == 'fog' else rng.uniform(0.0003, 0.003)
    strength = 0.0 if kind == 'fog' else 0.12 if dull else rng.uniform(0.9, 1.25)
    return Light(
        sun_direction=np.array(direction, np.float32),
        sun=(warm * strength).astype(np.float32),
        zenith=(grey * 0.8 if dull else blue).astype(np.float32),
        horizon=(grey if dull else pale).astype(np.float32),
        ground=np.array([0.16, 0.15, 0.13], np.float32),
        ambient=float(rng.uniform(0.85, 1.05) if dull else rng.uniform(0.5, 0.72)),
        haze_per_m=float(haze),
        cloud_cover=float(cover),
        clouds=noise(rng, 1.55).astype(np.float32),
        cloud_light=(grey * (1.0 if dull else 1.25)).astype(np.float32),
    )
