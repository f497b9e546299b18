"""ClassMix: half of the classes of one picture are laid over another (arXiv 2007.07936)."""

from __future__ import annotations

import torch
from torch import Tensor

from sds_perception.labels import UNLABELLED


def class_mask(label: Tensor, generator: torch.Generator) -> Tensor:
    """The pixels of half of the classes present, chosen at random, at least one: (H, W) bool.

    Args:
        label: (H, W) train ids; 255 is no class, and is never chosen.
        generator: draws the classes, on the CPU.
    """
    present = torch.bincount(label.flatten().long().cpu(), minlength=256)
    present[UNLABELLED] = 0
    classes = present.nonzero().flatten()
    count = (len(classes) + 1) // 2
    chosen = classes[torch.randperm(len(classes), generator=generator)[:count]]
    table = torch.zeros(256, dtype=torch.bool)
    table[chosen] = True
    return table.to(label.device, non_blocking=True)[label.long()]
