"""ColorAug: movable things and their surroundings recoloured apart, for depth (method.md 4).

Only what the network sees is recoloured. The loss compares the clean frames, so that depth must
be found from shapes and not from colours that happen to agree.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from sds_perception.labels import ROAD, TRAIN_ID
from sds_training.augment.objects import is_one_of
from sds_training.augment.photometric import (
    JitterConfig,
    JitterPlan,
    apply_jitter,
    draw_jitter,
)
from sds_training.config_error import require, require_at_least


@dataclass(frozen=True)
class ColorAugConfig:
    """How often and how far parts of a picture are recoloured apart."""

    probability: float = 0.5
    """Share of pictures whose parts get jitters of their own; the rest get one global jitter."""

    global_probability: float = 0.5
    """Share of those with one global jitter that are jittered at all (method.md 4)."""

    jitter: JitterConfig = JitterConfig()
    """How far colours move, in every part."""

    luminance_ratio: float = 1.1
    """Least ratio between the mean luminances that two parts' jitters give to one picture."""

    start_step: int = 5000
    """First step at which parts are recoloured apart: the teacher's labels must be sensible."""

    dilation_px: int = 2
    """How far movable things grow before they are cut out: labels are seldom exact."""

    groups: Literal['movable', 'ground'] = 'movable'
    """'movable' (movable, rest) or 'ground' (movable, road and sidewalk, rest), a variant."""

    def __post_init__(self) -> None:
        self.jitter.check('color_aug.jitter')
        for name in ('probability', 'global_probability'):
            share = getattr(self, name)
            require(0 <= share <= 1, f'color_aug.{name}', share, '[0, 1]')
        require_at_least(0, self, 'color_aug.', 'start_step', 'dilation_px')
        low, high = 1 - self.jitter.brightness, 1 + self.jitter.brightness
        possible = self.luminance_ratio >= 1 and low * self.luminance_ratio**2 <= high
        wanted = f'1 or more, its square spanned by a brightness of {low:g} to {high:g}'
        require(possible, 'color_aug.luminance_ratio', self.luminance_ratio, wanted)


@dataclass(frozen=True)
class ColorAugPlan:
    """The drawn jitters of a batch; where not `active` they are all the same."""

    foreground: JitterPlan
    background: JitterPlan
    active: Tensor  # (B,) bool, whether the parts are recoloured apart
    dilation_px: int
    ground: JitterPlan | None = None  # of road and sidewalk, in the variant with three groups


def draw_color_aug(
    batch_size: int,
    config: ColorAugConfig,
    generator: torch.Generator,
    *,
    step: int,
    whole: int = 0,
) -> ColorAugPlan:
    """Draw the jitters of each picture of the batch at `step`; the first `whole` stay whole.

    Pictures whose labels are asked for should: where people's label cuts the colours, their edge
    is the answer.
    """
    probability = config.probability if step >= config.start_step else 0.0
    active = torch.rand(batch_size, generator=generator) < probability
    active[:whole] = False
    alike = draw_jitter(batch_size, config.jitter, config.global_probability, generator)
    apart = draw_jitter(batch_size, config.jitter, 1.0, generator)
    background = apart.where(active, alike)
    foreground = _draw_apart(background, active, config, generator)
    ground = None
    if config.groups == 'ground':
        ground = _draw_apart(background, active, config, generator)
    return ColorAugPlan(foreground, background, active, config.dilation_px, ground)


def _draw_apart(
    background: JitterPlan, active: Tensor, config: ColorAugConfig, generator: torch.Generator
) -> JitterPlan:
    """A jitter whose mean luminance differs enough from the background's, where active.

    Of a jitter's parts only brightness and gamma change the mean luminance. All parts of a picture
    have one gamma, as they were taken by one camera; so the rule is one on factors, and the
    brightness is drawn evenly from what is left of its range.
    """
    drawn = draw_jitter(len(active), config.jitter, 1.0, generator)
    low, high = 1 - config.jitter.brightness, 1 + config.jitter.brightness
    darker = (background.brightness / config.luminance_ratio - low).clamp(min=0)
    lighter = (high - background.brightness * config.luminance_ratio).clamp(min=0)
    place = torch.rand(len(active), generator=generator) * (darker + lighter)
    brightness = torch.where(place < darker, low + place, high - (place - darker))
    apart = replace(drawn, brightness=brightness, gamma=background.gamma)
    return apart.where(active, background)


def apply_color_aug(
    image: Tensor, movable: Tensor, plan: ColorAugPlan, ground: Tensor | None = None
) -> Tensor:
    """Recolour (B, 3, H, W) RGB in [0, 1] for the network's input.

    Args:
        image: the clean frames.
        movable: (B, 1, H, W) bool, from `objects.movable_mask`.
        plan: from `draw_color_aug`.
        ground: (B, 1, H, W) bool, from `ground_mask`; wanted if the plan has three groups.
    """
    result = apply_jitter(image, plan.background)
    if not bool(plan.active.any()):
        return result
    if plan.ground is not None:
        if ground is None:
            raise ValueError('the plan recolours the ground apart but no ground mask was given')
        result = torch.where(ground, apply_jitter(image, plan.ground), result)
    grown = dilate(movable, plan.dilation_px)
    return torch.where(grown, apply_jitter(image, plan.foreground), result)


def apply_background_jitter(images: Tensor, plan: ColorAugPlan) -> Tensor:
    """The background's jitter on whole frames (B, S, 3, H, W), for the pose network."""
    return torch.stack(
        [apply_jitter(frame, plan.background) for frame in images.unbind(dim=1)], dim=1
    )


def ground_mask(label: Tensor) -> Tensor:
    """Which pixels of (B, H, W) train ids are road or sidewalk: (B, 1, H, W) bool."""
    return is_one_of(label, (ROAD, TRAIN_ID['sidewalk']))


def dilate(mask: Tensor, radius_px: int) -> Tensor:
    """Grow a (B, 1, H, W) bool mask by a square of `radius_px` pixels each way."""
    if radius_px == 0:
        return mask
    size = 2 * radius_px + 1
    rows = F.max_pool2d(mask.float(), (size, 1), stride=1, padding=(radius_px, 0))
    return F.max_pool2d(rows, (1, size), stride=1, padding=(0, radius_px)) > 0
