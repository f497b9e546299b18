"""How unlike two pictures are, and which source explains a pixel best (method.md 1.4)."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

SSIM_SHARE = 0.85
C1, C2 = 0.01**2, 0.03**2  # SSIM's constants for intensities in [0, 1]
TIE_BREAK = 1e-5  # standard deviation of the noise on unwarped errors


class BoxMean(torch.autograd.Function):
    """Mean of each 3 x 3 window, the border reflected; its own adjoint, written out.

    Pooling layers and slices cost 10 to 20 ms per call and gradient at 8 x 3 x 128 x 256 on one
    core; this costs a quarter, and SSIM calls it three times per warped frame and scale.
    """

    @staticmethod
    def forward(ctx: Any, image: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return _box_sum(F.pad(image, (1, 1, 1, 1), mode='reflect')).div_(9)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """The adjoint: spread each mean over its window, and fold the reflected border back."""
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


def box_mean(image: Tensor) -> Tensor:
    """Mean of each 3 x 3 window of (B, C, H, W), the border reflected; H and W at least 2."""
    return BoxMean.apply(image)


class Moments(NamedTuple):
    """A picture with the local statistics SSIM needs of it; kept for a target used many times."""

    image: Tensor  # (B, C, H, W) in [0, 1]
    mean: Tensor  # (B, C, H, W), over 3 x 3
    variance: Tensor  # (B, C, H, W)


def moments_of(image: Tensor) -> Moments:
    """Local mean and variance of (B, C, H, W) over 3 x 3 windows."""
    mean = box_mean(image)
    return Moments(image, mean, box_mean(image.square()) - mean.square())


def structural_dissimilarity(a: Moments, b: Moments) -> Tensor:
    """(1 - SSIM) / 2 per channel, clipped to [0, 1]: (B, C, H, W)."""
    mean_product = a.mean * b.mean
    covariance = box_mean(a.image * b.image) - mean_product
    numerator = (2 * mean_product + C1) * (2 * covariance + C2)
    denominator = (a.mean.square() + b.mean.square() + C1) * (a.variance + b.variance + C2)
    return (0.5 - 0.5 * numerator / denominator).clamp(0, 1)


def photometric_error(a: Tensor, b: Tensor | Moments) -> Tensor:
    """0.85 structural dissimilarity + 0.15 absolute difference, averaged over channels.

    Args:
        a: (B, C, H, W) in [0, 1].
        b: the same, or its `moments_of` where it is compared with several pictures.

    Returns:
        (B, 1, H, W), at least 0.
    """
    b = b if isinstance(b, Moments) else moments_of(b)
    unlike = structural_dissimilarity(moments_of(a), b).mean(dim=1, keepdim=True)
    difference = (a - b.image).abs().mean(dim=1, keepdim=True)
    return SSIM_SHARE * unlike + (1 - SSIM_SHARE) * difference


class Reprojection(NamedTuple):
    """The best explanation of each pixel of the target."""

    error: Tensor  # (B, 1, H, W), minimum over all sources, warped and unwarped
    automask: Tensor  # (B, 1, H, W) bool, True where an unwarped source wins: no depth is learnt


@torch.no_grad()
def identity_error(
    sources: Tensor, target: Tensor | Moments, generator: torch.Generator
) -> Tensor:
    """Error of the unwarped sources, with noise that breaks ties; once per step, for all scales.

    Args:
        sources: (B, S, 3, H, W) in [0, 1].
        target: (B, 3, H, W) in [0, 1], or its `moments_of`.
        generator: draws the noise, on the generator's own device.

    Returns:
        (B, S, H, W), without a graph.
    """
    target = target if isinstance(target, Moments) else moments_of(target)
    errors = [photometric_error(source, target) for source in sources.unbind(dim=1)]
    error = torch.cat(errors, dim=1)
    noise = torch.randn(error.shape, generator=generator, device=generator.device)
    return error + TIE_BREAK * noise.to(error)


def minimum_reprojection(
    views: Tensor, target: Tensor | Moments, identity: Tensor | None
) -> Reprojection:
    """Per pixel, the error of the source that explains the target best.

    A thing hidden in one source is usually seen in the other; a thing that moves with the camera
    is explained best by not warping at all, and such pixels teach no depth.

    Args:
        views: (B, S, 3, H, W), sources warped to the target.
        target: (B, 3, H, W), or its `moments_of`.
        identity: (B, S, H, W) from `identity_error`, or None to do without the automask.
    """
    target = target if isinstance(target, Moments) else moments_of(target)
    errors = [photometric_error(view, target) for view in views.unbind(dim=1)]
    warped = torch.stack(errors).amin(dim=0)  # (B, 1, H, W)
    if identity is None:
        return Reprojection(warped, torch.zeros_like(warped, dtype=torch.bool))
    unwarped = identity.amin(dim=1, keepdim=True)
    return Reprojection(torch.minimum(warped, unwarped), unwarped < warped)
