"""From decoder features to what a task says about each pixel."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SemanticHead(nn.Module):
    """Class scores by a 1x1 convolution."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.score = nn.Conv2d(channels, classes, 1)

    def forward(self, feature: Tensor) -> Tensor:
        """(B, C, h, w) to unnormalised (B, K, h, w)."""
        return self.score(feature)


class DepthHead(nn.Module):
    """Sigmoid disparity by a 3x3 convolution; see `network.disparity` for depth."""

    def __init__(self, channels: int, padding_mode: str) -> None:
        super().__init__()
        self.score = nn.Conv2d(channels, 1, 3, padding=1, padding_mode=padding_mode)

    def forward(self, feature: Tensor) -> Tensor:
        """(B, C, h, w) to (B, 1, h, w) in (0, 1)."""
        return torch.sigmoid(self.score(feature))
