"""Colour jitter and blur for whole batches: drawn per picture, applied as one matrix product.

Brightness, contrast and saturation are affine in RGB already. Hue is turned by rotating the
chrominance about the grey axis in YIQ, which is linear too, so that a jitter is one 3 x 4 matrix
per picture and keeps the mean luminance that brightness sets. Only gamma, a curve and no matrix,
goes before it, and only where it is asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sds_training.config_error import require
from sds_training.constants import constant

LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601 weights of R, G and B
_YIQ_FROM_RGB = torch.tensor(
    (LUMINANCE, (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135)),
    dtype=torch.float64,
)
_RGB_FROM_YIQ = torch.linalg.inv(_YIQ_FROM_RGB)


@dataclass(frozen=True)
class JitterConfig:
    """How far colours may be moved; 0 leaves a property alone."""

    brightness: float = 0.2
    """Factor on intensities, drawn evenly within 1 +- this."""

    contrast: float = 0.2
    """Factor on differences from the picture's mean luminance, within 1 +- this."""

    saturation: float = 0.2
    """Factor on differences from each pixel's own grey, within 1 +- this."""

    hue: float = 0.1
    """Turn of the colour circle, within +- this share of a full turn."""

    gamma: float = 0.0
    """Exponent of intensities, e to a number within +- this: dusk or glare, which no factor is."""

    def check(self, group: str) -> None:
        """Refuse what is out of range, told as fields of `group`: its holder knows that name."""
        most_of = {'brightness': 1, 'contrast': 1, 'saturation': 1, 'hue': 0.5, 'gamma': 2}
        for name, most in most_of.items():
            value = getattr(self, name)
            require(0 <= value <= most, f'{group}.{name}', value, f'[0, {most}]')


@dataclass(frozen=True)
class JitterPlan:
    """One drawn change of colours per picture, each (B,); ones and a zero change nothing."""

    brightness: Tensor
    contrast: Tensor
    saturation: Tensor
    hue: Tensor
    gamma: Tensor

    def where(self, active: Tensor, other: JitterPlan) -> JitterPlan:
        """This plan for the pictures that are `active`, (B,) bool, `other` for the rest."""
        pairs = zip(self._parts(), other._parts(), strict=True)
        return JitterPlan(*(torch.where(active, mine, theirs) for mine, theirs in pairs))

    def _parts(self) -> tuple[Tensor, ...]:
        return self.brightness, self.contrast, self.saturation, self.hue, self.gamma


def draw_jitter(
    batch_size: int, config: JitterConfig, probability: float, generator: torch.Generator
) -> JitterPlan:
    """Draw a jitter for each picture; with 1 - `probability` the one that changes nothing."""
    strength = torch.tensor((config.brightness, config.contrast, config.saturation, config.hue))
    centre = torch.tensor((1.0, 1.0, 1.0, 0.0))
    spread = 2 * torch.rand(batch_size, 4, generator=generator) - 1
    active = torch.rand(batch_size, generator=generator) < probability
    drawn = centre + strength * spread * active[:, None]
    return JitterPlan(*drawn.unbind(dim=1), _draw_gamma(active, config.gamma, generator))


def _draw_gamma(active: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """(B,) exponents; who wants none draws no number, so that other draws stay as they were."""
    if strength == 0:
        return torch.ones(len(active))
    spread = 2 * torch.rand(len(active), generator=generator) - 1
    return torch.exp(strength * spread * active)


def apply_jitter(image: Tensor, plan: JitterPlan) -> Tensor:
    """Move the colours of (B, 3, H, W) RGB in [0, 1]; clipped to [0, 1].

    In the order gamma, brightness, contrast, saturation, hue, clipped once at the end.
    """
    if bool((plan.gamma != 1).any()):  # on the CPU, where plans are drawn
        image = image.pow(plan.gamma.to(image, non_blocking=True)[:, None, None, None])
    brightness = plan.brightness.to(image, non_blocking=True)
    contrast = plan.contrast.to(image, non_blocking=True)
    grey = constant(LUMINANCE, image.dtype, image.device)
    mean = image.mean(dim=(2, 3)) @ grey  # (B,), mean luminance before
    # (B, 3, 3), leaves grey as it is
    turn = _chrominance_matrix(plan).to(image, non_blocking=True)
    matrix = turn * (brightness * contrast)[:, None, None]
    offset = ((1 - contrast) * brightness * mean)[:, None, None]
    changed = torch.baddbmm(offset, matrix, image.flatten(2))
    return changed.clamp_(0, 1).view(image.shape)


def _chrominance_matrix(plan: JitterPlan) -> Tensor:
    """Saturation and hue as (B, 3, 3) matrices of RGB, float64, on the CPU."""
    angle = 2 * math.pi * plan.hue.double()
    saturation = plan.saturation.double()
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    cosine, sine = saturation * angle.cos(), saturation * angle.sin()
    turn = torch.stack((one, zero, zero, zero, cosine, -sine, zero, sine, cosine), dim=1)
    return _RGB_FROM_YIQ @ turn.view(-1, 3, 3) @ _YIQ_FROM_RGB


@dataclass(frozen=True)
class StrongConfig:
    """The strong transform of mixed pictures (method.md 1.6)."""

    jitter_probability: float = 0.8
    """Share of pictures whose colours are moved."""

    jitter: JitterConfig = JitterConfig(0.25, 0.25, 0.25, 0.25)
    """How far."""

    blur_probability: float = 0.5
    """Share of pictures that are blurred."""

    blur_sigma_px: tuple[float, float] = (0.15, 1.15)
    """Least and greatest standard deviation of the Gaussian blur, pixels."""

    def __post_init__(self) -> None:
        self.jitter.check('strong.jitter')
        for name in ('jitter_probability', 'blur_probability'):
            share = getattr(self, name)
            require(0 <= share <= 1, f'strong.{name}', share, '[0, 1]')
        low, high = self.blur_sigma_px
        require(0 < low <= high, 'strong.blur_sigma_px', self.blur_sigma_px, '0 < low <= high')


@dataclass(frozen=True)
class StrongPlan:
    """One drawn strong transform per picture."""

    jitter: JitterPlan
    sigma_px: Tensor  # (B,) standard deviation of the blur; 0 is none


def draw_strong(batch_size: int, config: StrongConfig, generator: torch.Generator) -> StrongPlan:
    """Draw a strong transform for each picture."""
    jitter = draw_jitter(batch_size, config.jitter, config.jitter_probability, generator)
    low, high = config.blur_sigma_px
    sigma = low + (high - low) * torch.rand(batch_size, generator=generator)
    blurred = torch.rand(batch_size, generator=generator) < config.blur_probability
    return StrongPlan(jitter, sigma * blurred)


def apply_strong(image: Tensor, plan: StrongPlan) -> Tensor:
    """Move the colours of (B, 3, H, W) RGB in [0, 1], then blur; the result is new."""
    result = apply_jitter(image, plan.jitter)
    for place, sigma in enumerate(plan.sigma_px.tolist()):
        if sigma > 0:
            result[place] = gaussian_blur(result[place], sigma)
    return result


def gaussian_blur(image: Tensor, sigma_px: float) -> Tensor:
    """Gaussian blur of (C, H, W), rows then columns, the border reflected."""
    radius = min(math.ceil(3 * sigma_px), min(image.shape[-2:]) - 1)
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float64)
    kernel = torch.exp(-0.5 * (offsets / sigma_px).square())
    weights = (kernel / kernel.sum()).tolist()
    padded = F.pad(image[None], (radius,) * 4, mode='reflect')[0]
    height, width = image.shape[-2:]
    rows = _weighted_sum([padded[:, k : k + height] for k in range(len(weights))], weights)
    return _weighted_sum([rows[..., k : k + width] for k in range(len(weights))], weights)


def _weighted_sum(parts: list[Tensor], weights: list[float]) -> Tensor:
    total = parts[0] * weights[0]
    for part, weight in zip(parts[1:], weights[1:], strict=True):
        total.add_(part, alpha=weight)
    return total
