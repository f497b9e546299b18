"""What the two decoders lend each other: CCAM, the Cross-Channel Attention Module, and its rivals.

Source: Semantics-Depth-Symbiosis (arXiv 2206.10562) shares features between the tasks channel by
channel at nearly no parameters. The exact form here is our reconstruction, method.md 2.2.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sds_perception.network.config import NetworkConfig

POOLED = 16  # each channel is described by a 16 x 16 map of where it is active


class SpatialAttention(nn.Module):
    """Where a task's features matter: one map in (0, 1) from their mean and maximum."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, feature: Tensor) -> Tensor:
        """(B, C, h, w) to the same features, attended: (B, C, h, w)."""
        summary = torch.cat(
            (feature.mean(dim=1, keepdim=True), feature.amax(dim=1, keepdim=True)), dim=1
        )
        return feature * torch.sigmoid(self.conv(summary))


def channel_descriptors(feature: Tensor) -> Tensor:
    """(B, C, h, w) to (B, C, 256): where each channel is active, centred, of unit length.

    In float32 whatever the input: squares of half-precision features overflow in the norm.
    """
    pooled = F.adaptive_avg_pool2d(feature, POOLED).flatten(2).float()
    centred = pooled - pooled.mean(dim=2, keepdim=True)
    # Inside the root: a channel that is the same everywhere has length 0, where a root's slope is
    # infinite and one dead channel would make every gradient NaN. Not "+ 1e-12": the ONNX
    # exporter takes that for + 0 and drops it, and one dead channel would make every score NaN.
    return centred / centred.square().sum(dim=2, keepdim=True).clamp_min(1e-12).sqrt()


class ChannelAffinity(nn.Module):
    """From how alike two tasks' channels are to how much each borrows: C x C, row by row."""

    def __init__(self, channels: int, activation: str) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // 4)
        self.expand = nn.Linear(channels // 4, channels)
        self.activation = activation

    def forward(self, likeness: Tensor) -> Tensor:
        """(B, C, C) likeness in [-1, 1] to (B, C, C) weights."""
        score = self.expand(torch.relu(self.squeeze(likeness)))
        if self.activation == 'softmax':
            return score.softmax(dim=2)
        if self.activation == 'tanh':
            return score.tanh()
        weight = score.sigmoid()
        return weight / weight.sum(dim=2, keepdim=True)


class CrossChannelAttention(nn.Module):
    """CCAM: each task adds a mixture of the partner's attended channels, weighted by affinity.

    F_S' = F_S + g_S A Fh_D and F_D' = F_D + g_D A' Fh_S, where Fh are spatially attended features
    and A comes from the correlation of channel descriptors (method.md 2.2).
    """

    def __init__(self, channels: int, activation: str = 'sigmoid', shared: bool = False) -> None:
        super().__init__()
        self.attend_semantic = SpatialAttention()
        self.attend_depth = SpatialAttention()
        self.semantic_from_depth = ChannelAffinity(channels, activation)
        self.depth_from_semantic = None if shared else ChannelAffinity(channels, activation)
        self.semantic_gate = nn.Parameter(torch.tensor(0.1))
        self.depth_gate = nn.Parameter(torch.tensor(0.1))

    def affinities(self, semantic: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, C) weights for both directions, from attended features (B, C, h, w)."""
        likeness = channel_descriptors(semantic) @ channel_descriptors(depth).transpose(1, 2)
        likeness = likeness.to(semantic.dtype)
        borrowed = self.semantic_from_depth(likeness)
        if self.depth_from_semantic is None:
            return borrowed, borrowed.transpose(1, 2)
        return borrowed, self.depth_from_semantic(likeness.transpose(1, 2))

    def forward(self, semantic: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
        """Both (B, C, h, w); returns both, enriched, in the same shapes."""
        attended_semantic = self.attend_semantic(semantic)
        attended_depth = self.attend_depth(depth)
        to_semantic, to_depth = self.affinities(attended_semantic, attended_depth)
        return (
            semantic + mixed_channels(self.semantic_gate * to_semantic, attended_depth),
            depth + mixed_channels(self.depth_gate * to_depth, attended_semantic),
        )


def mixed_channels(weights: Tensor, feature: Tensor) -> Tensor:
    """sum_j weights[b, i, j] feature[b, j]: (B, C, C) and (B, C, h, w) to (B, C, h, w).

    One row per pixel, as features lie in memory where channels come last: no copy turns them.
    """
    pixels = feature.permute(0, 2, 3, 1)
    mixed = pixels.flatten(1, 2) @ weights.transpose(1, 2)
    return mixed.unflatten(1, pixels.shape[1:3]).permute(0, 3, 1, 2)


class PadGate(nn.Module):
    """The base recipe's exchange: gated 3x3 convolutions of the partner (method.md 1.2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        make = lambda: nn.Conv2d(channels, channels, 3, padding=1, bias=False)  # noqa: E731
        self.lend_depth, self.gate_depth = make(), make()
        self.lend_semantic, self.gate_semantic = make(), make()
        nn.init.zeros_(self.gate_depth.weight)
        nn.init.zeros_(self.gate_semantic.weight)

    def forward(self, semantic: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
        """Both (B, C, h, w); both gates read the features from before the exchange."""
        from_depth = self.lend_depth(depth) * torch.sigmoid(self.gate_depth(depth))
        from_semantic = self.lend_semantic(semantic) * torch.sigmoid(self.gate_semantic(semantic))
        return semantic + from_depth, depth + from_semantic


class NoExchange(nn.Module):
    """Two tasks that share an encoder and nothing else."""

    def forward(self, semantic: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
        """Both unchanged."""
        return semantic, depth


def build_exchange(config: NetworkConfig, level: int) -> nn.Module:
    """The exchange after one decoder level."""
    channels = config.decoder_channels[config.levels.index(level)]
    if level not in config.exchange_levels or config.exchange == 'none':
        return NoExchange()
    if config.exchange == 'pad':
        return PadGate(channels)
    return CrossChannelAttention(channels, config.ccam_activation, config.ccam_shared)
