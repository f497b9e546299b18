"""What is mixed: pictures with everything that is believed about them."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class MixScene(NamedTuple):
    """A batch of pictures with belief; every part is moved by the same plan."""

    image: Tensor  # (B, 3, H, W) RGB in [0, 1]
    label: Tensor  # (B, H, W) int64 train ids, 255 = unlabelled
    confidence: Tensor  # (B, H, W) the label's probability: 1 where people drew it, 0 where void
    depth: Tensor  # (B, 1, H, W), one common scale for the whole batch
