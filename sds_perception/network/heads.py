"""From decoder features to what a task says about each pixel."""

from __future__ import annotations

import math

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

    def __init__(self, channels: int, padding_mode: str, first_disparity: float) -> None:
        super().__init__()
        self.score = nn.Conv2d(channels, 1, 3, padding=1, padding_mode=padding_mode)
        # Half of the disparity range is twice the nearest depth: a start so near has little room
        # on one side of the sigmoid and nearly all depths on the other.
        nn.init.constant_(self.score.bias, math.log(first_disparity / (1 - first_disparity)))

    def forward(self, feature: Tensor) -> Tensor:
        """(B, C, h, w) to (B, 1, h, w) in (0, 1)."""
        for device in filter(torch.is_autocast_enabled, ('cuda', 'cpu')):
            # Far depths lie at scores of -4 and less, where bfloat16 knows steps of 3 % only.
            with torch.autocast(device, enabled=False):
                return torch.sigmoid(self.score(feature.float()))
        return torch.sigmoid(self.score(feature))
