"""Frames to compare engines on where nobody gave any: synthetic streets."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def synthetic_frames(size: tuple[int, int], count: int = 4) -> NDArray[np.uint8]:
    """(count, H, W, 3) uint8 pictures with the statistics of a street; the same every time.

    A sky gradient over a textured ground, boxes of flat and striped colour between them, and a
    little sensor noise: a network answers smooth areas and edges here as it does in a photograph,
    which pure noise would not make it do.
    """
    return np.stack([_street(size, np.random.default_rng(seed)) for seed in range(count)])


def _street(size: tuple[int, int], draw: np.random.Generator) -> NDArray[np.uint8]:
    height, width = size
    horizon = round(height * draw.uniform(0.35, 0.5))
    picture = np.empty((height, width, 3), np.float32)
    sky, ground = _color(draw, 120, 240), _color(draw, 60, 140)
    fade = np.linspace(0.7, 1.1, horizon)[:, None, None]
    picture[:horizon] = sky * fade
    texture = draw.normal(0, 18, ((height - horizon) // 4 + 1, width // 4 + 1, 1)).astype('f4')
    texture = cv2.resize(texture, (width, height - horizon), interpolation=cv2.INTER_CUBIC)
    picture[horizon:] = ground + texture[..., None]
    for _ in range(14):
        _put_box(picture, horizon, draw)
    picture += draw.normal(0, 2, picture.shape)
    rounded: NDArray[np.uint8] = picture.clip(0, 255).astype(np.uint8)
    return rounded


def _color(draw: np.random.Generator, darkest: float, brightest: float) -> NDArray[np.float64]:
    """A brightness with a tint, as outdoors: strong colours are rare."""
    return draw.uniform(darkest, brightest) + draw.normal(0, 15, 3)


def _put_box(picture: NDArray[np.float32], horizon: int, draw: np.random.Generator) -> None:
    height, width = picture.shape[:2]
    tall, wide = (max(2, round(side * draw.uniform(0.05, 0.4))) for side in (height, width))
    bottom = min(height, horizon + round(tall * draw.uniform(0.2, 0.8)))
    left = int(draw.integers(-wide // 2, width - wide // 2))
    part = picture[max(0, bottom - tall) : bottom, max(0, left) : left + wide]
    part[:] = _color(draw, 20, 230)
    if draw.random() < 0.5:
        part[:, :: int(draw.integers(3, 12))] *= 0.6
