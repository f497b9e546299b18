"""The textures that surfaces wear: square, seamless pictures, a new set for every drive."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SIDE = 256  # texels
Picture = NDArray[np.float64]


class Texture(NamedTuple):
    """One of the pictures."""

    size_m: float  # of one repeat
    draw: Callable[[np.random.Generator], Picture]


def draw_textures(rng: np.random.Generator) -> NDArray[np.uint8]:
    """(number of textures, SIDE, SIDE, 3) uint8; 128 leaves a surface's own tint as it is."""
    pictures = [texture.draw(rng) for texture in TEXTURES.values()]
    full = [p if p.ndim == 3 else np.repeat(p[..., None], 3, axis=2) for p in pictures]
    return np.clip(np.stack(full) * 128.0, 0, 255).round().astype(np.uint8)


def noise(rng: np.random.Generator, falloff: float, lowest: float = 1.0) -> Picture:
    """Seamless noise of zero mean and unit deviation; amplitude falls as frequency^-falloff."""
    radius = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None, :]) * SIDE
    weight = np.where(radius >= lowest, np.maximum(radius, 1.0) ** -falloff, 0.0)
    spectrum = np.fft.rfft2(rng.standard_normal((SIDE, SIDE))) * weight
    field = np.fft.irfft2(spectrum, s=(SIDE, SIDE))
    return (field - field.mean()) / field.std()


def _bricks(
    rng: np.random.Generator, rows: int, columns: int, joint: float, spread: float,
    shifted: float = 0.5, joint_light: float = 0.75,
) -> Picture:  # fmt: skip
    """Courses of stones: one shade a stone, joints between; `joint` as a share of the height."""
    y = np.arange(SIDE)[:, None] / SIDE * rows
    row = y.astype(int)
    x = (np.arange(SIDE)[None, :] / SIDE * columns + shifted * (row % 2)) % columns
    shades = rng.normal(1.0, spread, (rows, columns))[row, x.astype(int)]
    aspect = columns / rows
    near = np.minimum(np.minimum(y % 1, 1 - y % 1), np.minimum(x % 1, 1 - x % 1) / aspect)
    return np.where(near < joint / 2, joint_light, shades) + 0.05 * noise(rng, 0.5)


def _asphalt(rng: np.random.Generator) -> Picture:
    cracks = np.abs(noise(rng, 1.3)) < 0.018
    patches = np.clip(noise(rng, 1.8), -0.7, 0.7)
    return 1.0 + 0.07 * noise(rng, 0.2) + 0.08 * noise(rng, 0.9) + 0.1 * patches - 0.25 * cracks


def _foliage(rng: np.random.Generator, grain: float, strength: float) -> Picture:
    light = 1.0 + strength * noise(rng, grain) + 0.12 * noise(rng, 1.5)
    warm = 0.08 * noise(rng, 1.2)
    return np.stack((light + warm, light, light - warm), -1)


def _glass(rng: np.random.Generator) -> Picture:
    return 1.0 + 0.45 * np.clip(noise(rng, 1.6), -1.5, 1.5)


def _stripes(rng: np.random.Generator, count: int, depth: float, spread: float) -> Picture:
    x = np.arange(SIDE)[None, :] / SIDE * count
    shade = rng.normal(1.0, spread, count)[x.astype(int)]
    return shade - depth * (np.abs(x % 1 - 0.5) > 0.44) + 0.06 * noise(rng, 0.8)


def _roof(rng: np.random.Generator) -> Picture:
    y = np.arange(SIDE)[:, None] / SIDE * 7
    return _bricks(rng, 7, 9, 0.1, 0.1) * (1.15 - 0.35 * (y % 1))


def _panels(rng: np.random.Generator) -> Picture:
    return _bricks(rng, 3, 2, 0.02, 0.04, 0.0, 0.6) + 0.05 * noise(rng, 1.2)


# The order decides which random numbers each is drawn with.
TEXTURES: dict[str, Texture] = {
    'plain': Texture(4.0, lambda rng: 1.0 + 0.04 * noise(rng, 0.8)),
    'asphalt': Texture(6.0, _asphalt),
    'slabs': Texture(
        2.4, lambda rng: _bricks(rng, 4, 4, 0.05, 0.07, 0.5) + 0.05 * noise(rng, 1.0)
    ),
    'cobbles': Texture(1.6, lambda rng: _bricks(rng, 12, 12, 0.16, 0.14, 0.5, 0.6)),
    'brick': Texture(1.6, lambda rng: _bricks(rng, 20, 7, 0.14, 0.13)),
    'plaster': Texture(5.0, lambda rng: 1.0 + 0.04 * noise(rng, 0.3) + 0.1 * noise(rng, 1.4)),
    'panels': Texture(6.0, _panels),
    'grass': Texture(3.0, lambda rng: _foliage(rng, 0.35, 0.2)),
    'soil': Texture(4.0, lambda rng: 1.0 + 0.12 * noise(rng, 0.4) + 0.15 * noise(rng, 1.3)),
    'leaves': Texture(1.8, lambda rng: _foliage(rng, 0.6, 0.38)),
    'bark': Texture(1.5, lambda rng: _stripes(rng, 15, 0.3, 0.14)),
    'roof': Texture(2.0, _roof),
    'planks': Texture(1.2, lambda rng: _stripes(rng, 8, 0.4, 0.1)),
    'ribbed': Texture(1.0, lambda rng: _stripes(rng, 6, 0.3, 0.02)),
    'glass': Texture(7.0, _glass),
    'cloth': Texture(0.8, lambda rng: 1.0 + 0.14 * noise(rng, 1.1)),
    'paint': Texture(3.0, lambda rng: 1.0 + 0.05 * noise(rng, 0.9)),
    'stones': Texture(1.8, lambda rng: _bricks(rng, 6, 5, 0.12, 0.16) + 0.07 * noise(rng, 1.0)),
}
TEXTURE_ID: dict[str, int] = {name: number for number, name in enumerate(TEXTURES)}
