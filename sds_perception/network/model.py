"""The SDS network: one encoder, two decoders that lend each other channels, two heads."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sds_perception.network.ccam import build_exchange
from sds_perception.network.config import NetworkConfig
from sds_perception.network.decoder import build_decoder
from sds_perception.network.disparity import disparity_from_depth
from sds_perception.network.encoder import Encoder
from sds_perception.network.heads import DepthHead, SemanticHead

SIDE_LEVEL = 2  # the level whose semantic features, before the exchange, feed the side head
DEPTH_SCALES = 4  # at most this many of the finest levels have a depth head


class Prediction(NamedTuple):
    """What the network says about a batch; h = H / finest stride, likewise w."""

    logits: Tensor  # (B, K, h, w), unnormalised class scores
    disparity: tuple[Tensor, ...]  # (B, 1, h_s, w_s) in (0, 1), finest first, each half the last
    side_logits: Tensor  # (B, K, H / 4, W / 4), before the exchange; only training reads them


class SdsNetwork(nn.Module):
    """Shared encoder, a semantic and a depth decoder, and the exchange between them."""

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(self, config: NetworkConfig, encoder: Encoder) -> None:
        super().__init__()
        self.config, self.encoder = config, encoder
        self.semantic_levels = build_decoder(config, encoder.channels)
        self.depth_levels = build_decoder(config, encoder.channels)
        self.exchanges = nn.ModuleList(build_exchange(config, level) for level in config.levels)
        self.semantic_head = SemanticHead(config.decoder_channels[-1], config.classes)
        self.side_head = SemanticHead(config.decoder_channels[self._side], config.classes)
        padding = 'reflect' if config.block == 'reflect_elu' else 'zeros'
        middle = disparity_from_depth(math.sqrt(math.prod(config.depth_range)), config.depth_range)
        self.depth_heads = nn.ModuleList(
            DepthHead(channels, padding, middle)
            for channels in config.decoder_channels[-DEPTH_SCALES:]
        )
        for name, values in (('pixel_mean', config.pixel_mean), ('pixel_std', config.pixel_std)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    @property
    def _side(self) -> int:
        """Place of the side head's level; the finest one where level 2 does not exist."""
        levels = self.config.levels
        return levels.index(SIDE_LEVEL) if SIDE_LEVEL in levels else len(levels) - 1

    def forward(self, image: Tensor) -> Prediction:
        """Predict for RGB in [0, 1], (B, 3, H, W); H and W multiples of `config.size_multiple`."""
        taps = self.encoder((image - self.pixel_mean) / self.pixel_std)
        semantic = depth = taps[-1]
        before_exchange: list[Tensor] = []
        depths: list[Tensor] = []
        for place, level in enumerate(self.config.levels):
            skip = taps[level - 1] if level > 0 else None
            semantic = self.semantic_levels[place](semantic, skip)
            depth = self.depth_levels[place](depth, skip)
            before_exchange.append(semantic)
            semantic, depth = self.exchanges[place](semantic, depth)
            depths.append(depth)
        scales = zip(self.depth_heads, depths[-len(self.depth_heads) :], strict=True)
        disparity = tuple(head(feature) for head, feature in scales)[::-1]
        side = self.side_head(before_exchange[self._side])
        return Prediction(self.semantic_head(semantic), disparity, side)


def batch_norms(network: nn.Module) -> list[_BatchNorm]:
    """All layers of a network that normalise by the statistics of batches."""
    return [each for each in network.modules() if isinstance(each, _BatchNorm)]


def build_network(config: NetworkConfig, *, pretrained: bool = False) -> SdsNetwork:
    """The only place where a config meets layers.

    Args:
        config: the network to build; weights are random unless `pretrained`.
        pretrained: ask timm for public ImageNet weights of the encoder.
    """
    return SdsNetwork(config, Encoder(config, pretrained=pretrained))
