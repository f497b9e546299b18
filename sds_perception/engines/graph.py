"""The one graph every engine runs: uint8 frames in, small uint8 and float32 maps out.

Normalisation and argmax live inside, so nothing but bytes crosses to a device and no engine needs
its own pre- or post-processing.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.fx.experimental.optimization as fx_optimization
from torch import Tensor, nn

from sds_perception.labels import UNLABELLED
from sds_perception.network import SdsNetwork

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
        peak = logits.amax(dim=1, keepdim=True)
        # 1 / sum exp(x - max) is the winner's softmax without the other 18 planes' division.
        confidence = 1 / (logits - peak).exp().sum(dim=1)
        small = (
            first_at(peak, logits).to(torch.uint8),
            (confidence * 255).round().to(torch.uint8),
            disparities[0][:, 0].float(),
        )
        return (*small, logits) if self.detail == 'fine' else small


def first_at(peak: Tensor, logits: Tensor) -> Tensor:
    """(B, h, w) the least class whose score is `peak` (B, 1, h, w); scores that are no numbers
    are unlabelled.

    An argmax, but of operations that every runtime has a fast kernel for: OpenVINO sorts for one.
    """
    classes = torch.arange(logits.shape[1], dtype=logits.dtype, device=logits.device)
    return torch.where(logits == peak, classes.view(1, -1, 1, 1), float(UNLABELLED)).amin(dim=1)


def folded(network: SdsNetwork) -> nn.Module:
    """A copy whose BatchNorms are folded into their convolutions; same outputs in eval mode."""
    return fx_optimization.fuse(network.eval())
