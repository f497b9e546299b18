"""Which source explains a pixel of the target best, and where none should (method.md 1.4)."""

from __future__ import annotations

import torch
from torch import Tensor

from sds_training.losses.photometric import Moments, photometric_error

TIE_BREAK = 1e-5  # standard deviation of the noise on unwarped errors


@torch.no_grad()
def identity_error(sources: Tensor, target: Moments, generator: torch.Generator) -> Tensor:
    """Error of the unwarped sources, with noise that breaks ties; once per step, for all scales.

    Args:
        sources: (B, S, 3, H, W) in [0, 1].
        target: `moments_of` the (B, 3, H, W) frames they are compared with.
        generator: draws the noise; on another device it lends its randomness to one there.

    Returns:
        (B, S, H, W), without a graph.
    """
    errors = [photometric_error(source, target) for source in sources.unbind(dim=1)]
    error = torch.cat(errors, dim=1)
    noise = torch.randn(
        error.shape, generator=_generator_on(error.device, generator), device=error.device
    )
    return error.add_(noise.to(error.dtype), alpha=TIE_BREAK)


def _generator_on(device: torch.device, generator: torch.Generator) -> torch.Generator:
    """A generator of `device` that follows from `generator`: itself where it is of that device.

    Full-size noise drawn on a CPU and copied takes longer than the network on a GPU.
    """
    if generator.device.type == device.type:
        return generator
    seed = int(torch.randint(2**62, (), generator=generator))
    return torch.Generator(device).manual_seed(seed)


def minimum_reprojection(views: Tensor, target: Moments, identity: Tensor) -> Tensor:
    """Per pixel, the error of the source that explains the target best.

    A thing hidden in one source is usually seen in the other; a thing that moves with the camera
    is explained best by not warping at all, and such pixels teach no depth (the automask).

    Args:
        views: (B, S, 3, H, W), sources warped to the target.
        target: `moments_of` the (B, 3, H, W) target frames.
        identity: (B, S, H, W) from `identity_error`.

    Returns:
        (B, 1, H, W), the minimum over all sources, warped and unwarped.
    """
    errors = [photometric_error(view, target) for view in views.unbind(dim=1)]
    warped = torch.cat(errors, dim=1).amin(dim=1, keepdim=True)
    return torch.minimum(warped, identity.amin(dim=1, keepdim=True))
