"""How unlike two pictures look, per pixel (method.md 1.4).

The error and its gradient are written out by hand: built from tensor operations they are half of
a CPU training step, most of it spent on moving intermediate pictures through memory.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

SSIM_SHARE = 0.85
C1, C2 = 0.01**2, 0.03**2  # SSIM's constants for intensities in [0, 1]


class Moments(NamedTuple):
    """A picture with the local statistics SSIM needs of it; kept for a target used many times."""

    image: Tensor  # (B, C, H, W) in [0, 1]
    mean: Tensor  # (B, C, H, W), over 3 x 3
    variance: Tensor  # (B, C, H, W)


def moments_of(image: Tensor) -> Moments:
    """Local mean and variance of (B, C, H, W) over 3 x 3 windows, without a graph."""
    image = image.detach()
    mean = box_mean(image)
    return Moments(image, mean, box_mean(image.square()).sub_(mean.square()))


def photometric_error(a: Tensor, b: Moments) -> Tensor:
    """0.85 (1 - SSIM) / 2 + 0.15 absolute difference, both averaged over channels.

    Args:
        a: (B, C, H, W) in [0, 1]; H and W at least 2.
        b: `moments_of` the other picture, which receives no gradient.

    Returns:
        (B, 1, H, W) in [0, 1].
    """
    return _PhotometricError.apply(a, *b)


class _PhotometricError(torch.autograd.Function):
    """`photometric_error`, differentiable in its first picture."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, mean_b: Tensor, variance_b: Tensor) -> Tensor:
        mean_a = box_mean(a)
        square_a, means = mean_a.square(), mean_a * mean_b
        top_1 = 2 * means + C1
        top_2 = box_mean(a * b).sub_(means).mul_(2).add_(C2)
        bottom_1 = mean_b.square().add_(square_a).add_(C1)
        bottom_2 = box_mean(a.square()).sub_(square_a).add_(variance_b).add_(C2)
        inverse = (bottom_1 * bottom_2).reciprocal_()
        ssim = (top_1 * top_2).mul_(inverse)
        difference = (a - b).abs_().mean(dim=1, keepdim=True)
        if ctx.needs_input_grad[0]:
            # SSIM's derivatives by the windowed means of a, a a and a b. Rounding may carry the
            # error past 0 or 1; the clip below is not worth a mask in the gradient.
            by_square = (bottom_1 * ssim).mul_(inverse).neg_()
            by_mean = (mean_b * (top_2 - top_1)).sub_(mean_a.mul_(ssim).mul_(bottom_2 - bottom_1))
            by_mean.mul_(inverse).mul_(2)
            ctx.save_for_backward(a, b, by_mean, by_square, top_1.mul_(inverse).mul_(2))
        unlike = ssim.mul_(-0.5).add_(0.5).clamp_(0, 1).mean(dim=1, keepdim=True)
        return unlike.mul_(SSIM_SHARE).add_(difference, alpha=1 - SSIM_SHARE)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        a, b, by_mean, by_square, by_product = ctx.saved_tensors
        by_ssim = gradient * (-0.5 * SSIM_SHARE / a.shape[1])
        result = _box_mean_adjoint(by_mean * by_ssim)
        result.addcmul_(_box_mean_adjoint(by_square * by_ssim), a, value=2)
        result.addcmul_(_box_mean_adjoint(by_product * by_ssim), b)
        result.addcmul_((a - b).sign_(), gradient, value=(1 - SSIM_SHARE) / a.shape[1])
        return result, None, None, None


def box_mean(image: Tensor) -> Tensor:
    """Mean of each 3 x 3 window of (B, C, H, W), the border reflected; by hand, no gradient."""
    return _box_sum(F.pad(image, (1, 1, 1, 1), mode='reflect')).div_(9)


def _box_mean_adjoint(gradient: Tensor) -> Tensor:
    """Spread each window's gradient over its pixels, and fold the reflected border back in."""
    spread = _box_sum(F.pad(gradient, (2, 2, 2, 2))).div_(9)  # of the padded picture
    spread[..., 2, :] += spread[..., 0, :]
    spread[..., -3, :] += spread[..., -1, :]
    spread[..., 2] += spread[..., 0]
    spread[..., -3] += spread[..., -1]
    return spread[..., 1:-1, 1:-1]


def _box_sum(padded: Tensor) -> Tensor:
    """Sum of each whole 3 x 3 window: (..., H + 2, W + 2) to (..., H, W)."""
    rows = (padded[..., :-2, :] + padded[..., 1:-1, :]).add_(padded[..., 2:, :])
    return (rows[..., :-2] + rows[..., 1:-1]).add_(rows[..., 2:])
