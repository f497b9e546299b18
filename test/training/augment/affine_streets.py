"""What tests of AffineMix share: a car, plans that are all AffineMix, and what they paste."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from sds_training.augment.mix import MixConfig, MixPlan, MixScene
from sds_training.augment.mix_config import AffineMixConfig

CAR = ('car', 20, 14, 34, 10)
FREE = AffineMixConfig(percentiles=(0, 100), max_objects=1, area_range=(0.0005, 0.5))
Scenes = Callable[..., MixScene]
Lenses = Callable[[int], torch.Tensor]
Ground = Callable[..., torch.Tensor]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def affine(scale: float | None = None, **changes: object) -> MixConfig:
    bounds = {} if scale is None else {'scale_range': (scale, scale)}
    return MixConfig(depth_mix=0, affine_mix=1, affine=replace(FREE, **bounds, **changes))


def pasted(plan: MixPlan, scene: MixScene, target: int = 0) -> torch.Tensor:
    """All pixels of one picture that a plan pastes: (H, W) bool."""
    mask = torch.zeros(scene.label.shape[1:], dtype=torch.bool)
    for paste in plan.pastes[target]:
        mask[paste.placement.window] |= paste.mask
    return mask
