"""Weather and daylight of a drive: sun, sky, clouds and fog, in linear RGB."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
    cloud_shade: float = 0.0  # how much darker clouds are where they are thick

    def sky(self, direction: Floats) -> Floats:
        """(3, N) light of the sky seen along (3, N) unit directions."""
        up = np.clip(direction[2], 0.0, 1.0)
        horizon, zenith, clouds, sun = (
            color[:, None] for color in (self.horizon, self.zenith, self.cloud_light, self.sun)
        )
        base = horizon + (zenith - horizon) * (1 - (1 - up) ** 3)
        cover = self._cloudiness(direction)
        facing = np.clip(self.sun_direction @ direction, 0.0, 1.0)
        glow = sun * (0.12 * facing**8 + 0.9 * facing**120)
        if self.cloud_shade:
            clouds = clouds * (1 - self.cloud_shade * self._thickness(direction))
        return base + (clouds - base) * cover + glow * (1 - 0.7 * cover)

    def plain_sky(self, up: Floats) -> Floats:
        """(3, N) sky without clouds, for reflections; `up` (N,) sine of elevation."""
        horizon, zenith = self.horizon[:, None], self.zenith[:, None]
        return horizon + (zenith - horizon) * (1 - (1 - np.clip(up, 0.0, 1.0)) ** 2)

    def from_around(self, normals: Floats) -> Floats:
        """(3, N) diffuse light on surfaces with these (3, N) normals."""
        sky = 0.5 * (self.zenith + self.horizon)
        step, middle = 0.5 * (sky - self.ground), 0.5 * (sky + self.ground)
        return self.ambient * middle[:, None] + self.ambient * step[:, None] * normals[2]

    def _cloudiness(self, direction: Floats) -> Floats:
        field = _wrapped(self.clouds, _on_the_clouds(direction) * np.float32(SIDE / 9.0))
        edge = np.clip((field - 1.3 + 2.6 * self.cloud_cover) / 1.1, 0.0, 1.0)
        fade = np.clip(direction[2] * 9.0, 0.15, 1.0)
        return _smooth(edge) * fade

    def _thickness(self, direction: Floats) -> Floats:
        """How thick clouds are, 0..1: the same noise in other places, in larger pieces."""
        field = _wrapped(self.clouds.T, _on_the_clouds(direction) * np.float32(SIDE / 14.0))
        return _smooth(np.clip((field + 0.6) / 1.6, 0.0, 1.0))


def _on_the_clouds(direction: Floats) -> Floats:
    """(2, N) where (3, N) directions meet the clouds' plane; at the horizon it ends."""
    return direction[:2] / (np.maximum(direction[2], 0.02) + 0.12)


def _smooth(share: Floats) -> Floats:
    return share * share * (3 - 2 * share)


def _wrapped(image: NDArray[np.float32], at: Floats) -> Floats:
    """Bilinear lookup in a seamless picture at (2, N) pixel coordinates."""
    columns = 1 << 12
    count = at.shape[1]
    padded = np.pad(np.mod(at, SIDE), ((0, 0), (0, -count % columns))).astype(np.float32)
    x, y = padded.reshape(2, -1, columns)
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP).ravel()[:count]


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


def with_heavy_clouds(light: Light, rng: np.random.Generator) -> Light:
    """The same sun under clouds that are dark where they are thick, at dusk in half of the drives.

    At dusk the street is dim under a bright sky: houses and trees keep most of it from the street,
    which `from_around` does not know of.
    """
    dim = rng.uniform(0.25, 0.6) if rng.random() < 0.5 else 1.0
    return replace(
        light,
        sun=light.sun * np.float32(dim**2),  # it goes before the sky does
        ambient=light.ambient * float(dim),
        cloud_cover=float(rng.uniform(0.5, 0.95)),
        cloud_shade=float(rng.uniform(0.4, 0.9)),
    )
