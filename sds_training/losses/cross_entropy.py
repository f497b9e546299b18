"""Cross entropy of each pixel, for scores that are smaller than the labels.

Its gradient is written out by hand: built from tensor operations it moves nineteen planes at full
size through memory several times more (docs/training.md).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sds_perception.labels import UNLABELLED


def cross_entropy_map(logits: Tensor, label: Tensor) -> Tensor:
    """Cross entropy in float32, because its logarithm needs the digits.

    Args:
        logits: (B, K, h, w), B at least 1; enlarged bilinearly to the label's size.
        label: (B, H, W), integer train ids; 255 does not count.

    Returns:
        (B, H, W), zero where unlabelled.
    """
    with torch.autocast(logits.device.type, enabled=False):
        return _CrossEntropy.apply(logits.float().contiguous(), label.long())


class _CrossEntropy(torch.autograd.Function):
    """`cross_entropy_map`, differentiable in its logits."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, label: Tensor) -> Tensor:
        size, counts = label.shape[-2:], (label != UNLABELLED)[:, None]
        label = torch.where(counts, label[:, None], 0)
        scores = logits
        if logits.shape[-2:] != size:
            scores = F.interpolate(logits, size=size, mode='bilinear', align_corners=False)
        scores = scores - scores.amax(dim=1, keepdim=True)
        own = scores.gather(1, label)
        exponential = scores.exp_()
        total = exponential.sum(dim=1, keepdim=True)
        ctx.save_for_backward(exponential, counts / total, counts, label)
        ctx.size = (logits.shape[-2], logits.shape[-1])
        return ((total.log() - own) * counts)[:, 0]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        exponential, share, counts, label = ctx.saved_tensors
        gradient = gradient[:, None]
        by_score = exponential * (share * gradient)  # probability, less one for the label's own
        by_score.scatter_add_(1, label, -gradient * counts)
        return enlarging_adjoint(by_score, ctx.size), None


def enlarging_adjoint(gradient: Tensor, size: tuple[int, int]) -> Tensor:
    """Gradient of bilinear enlarging (align_corners=False) by its small picture.

    By a whole even factor s it is a convolution of 2 s x 2 s weights with stride s, whose border
    is folded back in: a third of the time of torch's own on a CPU, and the same sums each time on
    a CUDA device.

    Args:
        gradient: (B, K, H, W) by the large picture.
        size: (h, w) of the small one.
    """
    factor = gradient.shape[-1] // size[1]
    whole = gradient.shape[-2:] == (size[0] * factor, size[1] * factor)
    if factor == 1 and whole:
        return gradient
    if factor % 2 or not whole:
        large, small = list(gradient.shape[-2:]), [*gradient.shape[:2], *size]
        return torch.ops.aten.upsample_bilinear2d_backward(gradient, large, small, False)
    planes = gradient.shape[1]
    slope = torch.arange(0.5 - factor, factor, device=gradient.device, dtype=gradient.dtype)
    tent = 1 - slope.abs() / factor
    weight = (tent[:, None] * tent).expand(planes, 1, -1, -1).contiguous()
    padding = factor + factor // 2  # one row and column more on each side than there are
    spread = F.conv2d(gradient, weight, stride=factor, padding=padding, groups=planes)
    spread[..., 1, :] += spread[..., 0, :]
    spread[..., -2, :] += spread[..., -1, :]
    spread[..., 1] += spread[..., 0]
    spread[..., -2] += spread[..., -1]
    return spread[..., 1:-1, 1:-1]
