"""Cross entropy against people's labels and against the teacher's."""

from __future__ import annotations

import torch
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


def soft_jaccard_loss(logits: Tensor, label: Tensor) -> Tensor:
    """1 - intersection over union, with probabilities for predictions; mean over classes there.

    Cross entropy counts pixels, so that a class of few pixels hardly speaks; here each class that
    the batch's labels show counts the same, as it does in mean IoU (Rahman and Wang, ISVC 2016).

    Args:
        logits: (B, K, h, w).
        label: (B, H, W), integer train ids; 255 does not count. H and W are multiples of h and w:
            every class is compared at the scores' own size, which costs a fourth at half size.

    Returns:
        Scalar in [0, 1]; exactly zero, with a graph, if no pixel counts.
    """
    if not len(logits):
        return logits.float().sum()
    rows, columns = (a // b for a, b in zip(label.shape[-2:], logits.shape[-2:], strict=True))
    small = label[:, rows // 2 :: rows, columns // 2 :: columns].long()
    counts = small != UNLABELLED
    truth = F.one_hot(small.clamp(max=logits.shape[1] - 1), logits.shape[1]) * counts[..., None]
    truth = truth.permute(0, 3, 1, 2).to(torch.float32)
    guess = logits.float().softmax(dim=1) * counts[:, None]
    both = (guess * truth).sum(dim=(0, 2, 3))
    union = guess.sum(dim=(0, 2, 3)) + truth.sum(dim=(0, 2, 3)) - both
    there = truth.amax(dim=(0, 2, 3)) > 0
    loss = torch.where(there, 1 - both / union.clamp(min=1e-6), torch.zeros_like(both))
    return loss.sum() / there.sum().clamp(min=1)


def _cross_entropy_map(logits: Tensor, label: Tensor) -> Tensor:
    """(B, H, W), zero where unlabelled; in float32, because log-softmax needs the digits."""
    size = label.shape[-2:]
    if logits.shape[-2:] != size and len(logits):
        logits = F.interpolate(logits, size=size, mode='bilinear', align_corners=False)
    if not len(logits):
        return logits.float().sum()
    return F.cross_entropy(logits.float(), label.long(), ignore_index=UNLABELLED, reduction='none')
