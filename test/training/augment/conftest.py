"""Small streets: flat ground, a wall at the end, and things that can move standing on it."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sds_perception.labels import TRAIN_ID
from sds_training.augment.mix import MixScene

HEIGHT, WIDTH = 48, 96
CENTRE = (47.5, 19.5)  # principal point (u, v); the horizon is row 19.5
CAMERA_HEIGHT, FOCAL, WALL = 1.5, 60.0, 30.0

Thing = tuple[str, int, int, int, int]  # class, left, width, foot row, height


def road(pitch: float = 0.0, height: float = CAMERA_HEIGHT) -> Tensor:
    """(4,) flat ground below a camera that looks down by `pitch` radians."""
    return torch.tensor([0.0, math.cos(pitch), math.sin(pitch), height])


def street(
    things: list[Thing], seed: int = 0, focal: float = FOCAL, ground: Tensor | None = None
) -> MixScene:
    """One frame of a street; each thing stands upright at the depth of its foot."""
    _, down, ahead, height = road() if ground is None else ground
    slope = down * (torch.arange(HEIGHT) - CENTRE[1]) / focal + ahead
    depth = (height / slope.clamp(min=1e-5)).clamp(max=WALL)[:, None].repeat(1, WIDTH)
    label = torch.where(depth < WALL, TRAIN_ID['road'], TRAIN_ID['building'])
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(3, HEIGHT, WIDTH, generator=generator)
    for name, left, width, foot, height in things:
        window = slice(foot - height, foot), slice(left, left + width)
        label[window] = TRAIN_ID[name]
        depth[window] = depth[foot - 1, 0]
    confidence = torch.ones(1, HEIGHT, WIDTH)
    return MixScene(image[None], label[None], confidence, depth[None, None])


@pytest.fixture
def batch_of() -> Callable[..., MixScene]:
    """Streets with the given things, one list for each frame, as one batch; focal lengths too."""

    def build(
        *frames: list[Thing],
        focals: tuple[float, ...] = (FOCAL,) * 4,
        grounds: tuple[Tensor | None, ...] = (None,) * 4,
    ) -> MixScene:
        told = zip(frames, range(4), focals, grounds, strict=False)
        streets = [street(*each) for each in told]
        return MixScene(*(torch.cat(parts) for parts in zip(*streets, strict=True)))

    return build


@pytest.fixture
def lenses() -> Callable[[int], torch.Tensor]:
    """The intrinsics of `count` streets, (B, 3, 3)."""
    matrix = torch.tensor([[FOCAL, 0, CENTRE[0]], [0, FOCAL, CENTRE[1]], [0, 0, 1]])
    return lambda count: matrix.repeat(count, 1, 1)


@pytest.fixture
def ground() -> Callable[..., Tensor]:
    """The road below a camera of some pitch and height, (4,)."""
    return road
