"""The one graph every engine runs: uint8 frames in, small uint8 and float32 maps out.

Normalisation and argmax live inside, so nothing but bytes crosses to a device and no engine needs
its own pre- or post-processing.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from sds_perception.labels import UNLABELLED

Detail = Literal['fast', 'fine']


class VehicleGraph(nn.Module):
    """(B, H, W, 3) uint8 to labels, confidence, disparity, all (B, h, w); 'fine' adds logits."""

    def __init__(
        self, network: nn.Module, detail: Detail = 'fast', *, turn_bytes: bool = True
    ) -> None:
        """`turn_bytes` brings colours to the front while they are bytes, which is least work."""
        super().__init__()
        self.network, self.detail, self.turn_bytes = network, detail, turn_bytes

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Labels uint8, confidence uint8, disparity float32; if 'fine' (B, K, h, w) float32."""
        weight = next(self.network.parameters())
        if self.turn_bytes:
            image = frames.permute(0, 3, 1, 2).to(weight.dtype)
        else:  # TensorRT takes bytes for nothing but a cast (NVIDIA/TensorRT issue 3985)
            image = frames.to(weight.dtype).permute(0, 3, 1, 2)
        logits, disparities, _ = self.network(image / 255)
        logits = logits.float()  # the softmax of 19 scores stays in float32 on every engine
        labels, confidence = (each.unflatten(1, logits.shape[2:]) for each in winner(logits))
        small = (
            labels.to(torch.uint8),
            (confidence * 255).round().to(torch.uint8),
            disparities[0][:, 0].float(),
        )
        return (*small, logits) if self.detail == 'fine' else small


def winner(logits: Tensor) -> tuple[Tensor, Tensor]:
    """(B, K, h, w) scores to the class of each pixel and its probability, (B, h w) float each.

    One row per class: OpenVINO blocks planes of h x w by 16 channels, and takes fifteen times as
    long to reduce over them (docs/performance_notes.md).
    """
    scores = logits.flatten(2)
    peak = scores.amax(dim=1, keepdim=True)
    # 1 / sum exp(x - max) is the winner's softmax without the other 18 planes' division.
    confidence = 1 / (scores - peak).exp().sum(dim=1)
    return first_at(peak, scores), confidence


def first_at(peak: Tensor, scores: Tensor) -> Tensor:
    """(B, P) the least class of scores (B, K, P) that is `peak` (B, 1, P); scores that are no
    numbers are unlabelled.

    An argmax, but of operations that every runtime has a fast kernel for: OpenVINO sorts for one.
    """
    classes = torch.arange(scores.shape[1], dtype=scores.dtype, device=scores.device)
    return torch.where(scores == peak, classes.view(1, -1, 1), float(UNLABELLED)).amin(dim=1)
