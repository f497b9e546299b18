"""Cross entropy against people's labels and against the teacher's."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from sds_perception.labels import UNLABELLED


def labelled_cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """Mean cross entropy over labelled pixels.

    Args:
        logits: (B, K, h, w); enlarged bilinearly to the label's size.
        label: (B, H, W), integer train ids; 255 does not count.

    Returns:
        Scalar; exactly zero, with a graph, if no pixel counts.
    """
    per_pixel = _cross_entropy_map(logits, label)
    return per_pixel.sum() / (label != UNLABELLED).sum().clamp(min=1)


def pseudo_label_cross_entropy(logits: Tensor, label: Tensor, trust: Tensor) -> Tensor:
    """Mean cross entropy over labelled pixels, each weighted by its trust.

    Args:
        logits: (B, K, h, w); enlarged bilinearly to the label's size.
        label: (B, H, W), integer train ids; 255 does not count.
        trust: (B, H, W) in [0, 1]; receives no gradient.

    Returns:
        Scalar, divided by the pixels that count and not by their trust: less trust, less say.
        Exactly zero, with a graph, if no pixel counts.
    """
    per_pixel = _cross_entropy_map(logits, label)
    weighted = (trust.detach() * per_pixel).sum()
    return weighted / (label != UNLABELLED).sum().clamp(min=1)


def _cross_entropy_map(logits: Tensor, label: Tensor) -> Tensor:
    """(B, H, W), zero where unlabelled; in float32, because log-softmax needs the digits."""
    size = label.shape[-2:]
    if logits.shape[-2:] != size and len(logits):
        logits = F.interpolate(logits, size=size, mode='bilinear', align_corners=False)
    if not len(logits):
        return logits.float().sum()
    return F.cross_entropy(logits.float(), label.long(), ignore_index=UNLABELLED, reduction='none')
