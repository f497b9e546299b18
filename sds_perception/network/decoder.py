"""One level of a decoder, and the pyramid that may open it. Both tasks use the same shape."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sds_perception.network.config import NetworkConfig


def conv_block(kind: str, inputs: int, outputs: int) -> nn.Sequential:
    """A 3x3 convolution with the activation and padding of `NetworkConfig.block`."""
    if kind == 'reflect_elu':
        return nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode='reflect'), nn.ELU()
        )
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


def upsampled(feature: Tensor, factor: int) -> Tensor:
    """Nearest upsampling by a whole factor; 1 leaves the tensor alone."""
    return feature if factor == 1 else F.interpolate(feature, scale_factor=factor, mode='nearest')


class ConcatLevel(nn.Module):
    """Block, resize, concatenate the skip, block (method.md 1.2)."""

    def __init__(self, opening: nn.Module, block: str, inner: int, skip: int, out: int, up: int):
        super().__init__()
        self.opening, self.up = opening, up
        self.closing = conv_block(block, inner + skip, out)

    def forward(self, feature: Tensor, skip: Tensor | None) -> Tensor:
        """(B, C, h, w) and the skip, (B, C', up h, up w), to (B, out, up h, up w)."""
        feature = upsampled(self.opening(feature), self.up)
        return self.closing(feature if skip is None else torch.cat((feature, skip), dim=1))


class AddLevel(nn.Module):
    """Project both to the level's width, resize, add, block: a third of the concat's work."""

    def __init__(self, opening: nn.Module, block: str, skip: int, out: int, up: int) -> None:
        super().__init__()
        self.opening, self.up = opening, up
        self.lateral = nn.Conv2d(skip, out, 1) if skip else None
        self.closing = conv_block(block, out, out)

    def forward(self, feature: Tensor, skip: Tensor | None) -> Tensor:
        """(B, C, h, w) and the skip, (B, C', up h, up w), to (B, out, up h, up w)."""
        feature = upsampled(self.opening(feature), self.up)
        if self.lateral is not None and skip is not None:
            feature = feature + self.lateral(skip)
        return self.closing(feature)


class AtrousPyramid(nn.Module):
    """ASPP: 1x1, three atrous 3x3 (rates 6, 12, 18), image pooling; then 1x1 and dropout."""

    def __init__(self, inputs: int, outputs: int, rates: tuple[int, ...] = (6, 12, 18)) -> None:
        super().__init__()
        self.point = self._branch(inputs, outputs, 1, 1)
        self.atrous = nn.ModuleList(self._branch(inputs, outputs, 3, rate) for rate in rates)
        # No BatchNorm on a 1x1 map: with one crop per device it would have nothing to average.
        self.image = nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.ReLU())
        self.project = self._branch((2 + len(rates)) * outputs, outputs, 1, 1)
        self.dropout = nn.Dropout(0.5)

    @staticmethod
    def _branch(inputs: int, outputs: int, kernel: int, rate: int) -> nn.Sequential:
        padding = rate if kernel == 3 else 0
        convolution = nn.Conv2d(
            inputs, outputs, kernel, padding=padding, dilation=rate, bias=False
        )
        return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())

    def forward(self, feature: Tensor) -> Tensor:
        """(B, C, h, w) to (B, outputs, h, w)."""
        point = self.point(feature)
        pooled = self.image(feature.mean(dim=(2, 3), keepdim=True)).expand_as(point)
        branches = [point, *(each(feature) for each in self.atrous), pooled]
        return self.dropout(self.project(torch.cat(branches, dim=1)))


def build_decoder(config: NetworkConfig, taps: tuple[int, ...]) -> nn.ModuleList:
    """The levels of one decoder from coarse to fine; `taps` are the encoder's channels e0..e4."""
    levels = nn.ModuleList()
    incoming, stride = taps[-1], config.output_stride
    for level, channels in zip(config.levels, config.decoder_channels, strict=True):
        skip = taps[level - 1] if level > 0 else 0
        up, stride = stride // 2**level, 2**level
        pyramid = config.aspp and level == config.levels[0]
        opening: nn.Module
        if pyramid:
            opening = AtrousPyramid(incoming, channels)
        elif config.merge == 'concat':
            opening = conv_block(config.block, incoming, channels)
        else:
            opening = nn.Identity() if incoming == channels else nn.Conv2d(incoming, channels, 1)
        levels.append(
            ConcatLevel(opening, config.block, channels, skip, channels, up)
            if config.merge == 'concat'
            else AddLevel(opening, config.block, skip, channels, up)
        )
        incoming = channels
    return levels
