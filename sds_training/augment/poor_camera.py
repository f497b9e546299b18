"""Pictures as a poorer camera takes them: fewer pixels, and grain that dark places show most.

A network that learnt from sharp, clean pictures fails on others for that alone. Labels and depth
stay: nothing moves. What it gains on real streets: docs/demo_history.md, "A poorer camera".
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sds_training.config_error import require

_BRIGHTEST = 1.6  # grain is proportional to this less the intensity: brightening spreads it so


@dataclass(frozen=True)
class PoorCameraConfig:
    """How often pictures are made poorer, and how poor."""

    probability: float = 0.0
    """Share of the pictures whose labels or depth are learnt, mixed ones aside."""

    coarsest: float = 2.5
    """Most pixels of a row that become one; of a column as many or fewer, drawn for each."""

    grain: float = 0.06
    """Greatest standard deviation of the grain, of intensities in [0, 1], at an intensity of 0.6:
    1.6 times it at black, 0.6 times at white; most get far less."""

    def __post_init__(self) -> None:
        require(0 <= self.probability <= 1, 'poor_camera.probability', self.probability, '[0, 1]')
        require(1 <= self.coarsest <= 8, 'poor_camera.coarsest', self.coarsest, '[1, 8]')
        require(0 <= self.grain <= 1, 'poor_camera.grain', self.grain, '[0, 1]')


def as_by_poorer_cameras(
    image: Tensor, config: PoorCameraConfig, generator: torch.Generator
) -> Tensor:
    """Some of (B, 3, H, W) RGB in [0, 1] with fewer pixels and with grain; the result is new.

    With `probability` 0 no number is drawn, so that other draws stay as they were.
    """
    if not config.probability:
        return image
    return torch.stack([_drawn(picture, config, generator) for picture in image])


def _drawn(picture: Tensor, config: PoorCameraConfig, generator: torch.Generator) -> Tensor:
    """(3, H, W) as it is, or as one drawn camera takes it."""
    chance, wide, tall, grain = torch.rand(4, generator=generator).tolist()
    if chance >= config.probability:
        return picture
    along = 1 + (config.coarsest - 1) * wide
    down = 1 + (along - 1) * tall
    height, width = picture.shape[1:]
    few = max(1, round(height / down)), max(1, round(width / along))
    coarse = F.interpolate(picture[None], few, mode='area')
    coarse = coarse + config.grain * grain**2 * _grain(coarse, generator)
    whole = F.interpolate(coarse, (height, width), mode='bilinear', align_corners=False)
    return whole[0].clamp(0, 1)


def _grain(picture: Tensor, generator: torch.Generator) -> Tensor:
    """Grain of (1, 3, h, w), half of it the same in all colours; of deviation 1 at 0.6."""
    own, shared = (
        torch.randn(1, channels, *picture.shape[2:], generator=generator) for channels in (3, 1)
    )
    dark = _BRIGHTEST - picture.mean(dim=1, keepdim=True)
    return (0.5**0.5 * (own + shared)).to(picture) * dark
