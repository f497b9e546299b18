"""The same numbers with less traffic: rewrites of the network for runtimes on a CPU.

Convolutions already run at the machine's ceiling there; what is left to save is everything that
is not one (docs/performance_notes.md). Both rewrites are exact but for rounding, which the tests
and the parity gate hold to.
"""

from __future__ import annotations

from copy import deepcopy
from typing import cast

import torch
import torch.fx
import torch.nn.functional as F
from torch import Tensor, nn

from sds_perception.engines.folding import Tracer, folded, folded_graph, norms_apart
from sds_perception.network import SdsNetwork
from sds_perception.network.ccam import CrossChannelAttention, SpatialAttention
from sds_perception.network.heads import DepthHead, SemanticHead

GROUPS = 8  # partial maxima over channels, so that threads have something to share


class PooledAttention(nn.Module):
    """`SpatialAttention` with its mean as a matrix product and its maximum as poolings.

    Reductions over the channel axis run on one thread and a fifteenth of the speed (3.4 ms
    against 0.2 and 0.9 ms for 64 channels of 128x256).
    """

    def __init__(self, attention: SpatialAttention, channels: int) -> None:
        super().__init__()
        self.conv, self.channels = attention.conv, channels
        self.register_buffer('average', torch.full((1, channels), 1 / channels), persistent=False)

    def summary(self, feature: Tensor) -> Tensor:
        """Mean and maximum over channels: (B, C, h, w) to (B, 2, h, w)."""
        mean = (self.average @ feature.flatten(2)).unflatten(2, feature.shape[2:])
        return torch.cat((mean, self._maximum(feature)), dim=1)

    def _maximum(self, feature: Tensor) -> Tensor:
        """(B, C, h, w) to (B, 1, h, w), in two poolings."""
        if self.channels % GROUPS:
            return feature.amax(dim=1, keepdim=True)
        part = self.channels // GROUPS
        partial = F.max_pool2d(feature.flatten(2).unflatten(1, (GROUPS, part)), (part, 1))
        most = F.max_pool2d(partial.transpose(1, 2), (GROUPS, 1))
        return most[:, 0].unflatten(2, feature.shape[2:])

    def forward(self, feature: Tensor) -> Tensor:
        """(B, C, h, w) to the same features, attended: (B, C, h, w)."""
        return feature * torch.sigmoid(self.conv(self.summary(feature)))


class FusedTail(nn.Module):
    """The last exchange and the two heads in one: no enriched feature map is ever written.

    Heads are linear, so W (S + g A (m D)) = W S + m (W g A) D, with the attention mask m taken
    out of the product over channels. The depth head's 3x3 kernel is nine such rows whose planes
    are shifted and added. What remains are two products of 28 rows instead of two of C rows, two
    head convolutions and two sums of C planes.
    """

    def __init__(
        self, exchange: CrossChannelAttention, semantic: SemanticHead, depth: DepthHead
    ) -> None:
        super().__init__()
        self.exchange, self.semantic, self.depth = exchange, semantic, depth

    def forward(self, semantic: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
        """Both (B, C, h, w) before the exchange; logits (B, K, h, w), disparity (B, 1, h, w)."""
        exchange, size = self.exchange, semantic.shape[2:]
        semantic_mask, depth_mask = self._masks(semantic, depth)
        to_semantic, to_depth = exchange.affinities(semantic * semantic_mask, depth * depth_mask)
        score = self.semantic.score.weight.flatten(1)  # (K, C)
        taps = kernel_rows(self.depth)
        lent_score = exchange.semantic_gate * (score @ to_semantic)
        lent_taps = exchange.depth_gate * (taps @ to_depth)
        of_semantic = rows_of(score, lent_taps, semantic)
        of_depth = rows_of(taps, lent_score, depth)
        classes = len(score)
        own, lent = of_semantic[:, :classes], of_depth[:, len(taps) :]
        bias = cast(Tensor, self.semantic.score.bias).view(1, -1, 1, 1)
        logits = own.unflatten(2, size) + lent.unflatten(2, size) * depth_mask + bias
        planes = of_depth[:, : len(taps)].unflatten(2, size)
        planes = planes + of_semantic[:, classes:].unflatten(2, size) * semantic_mask
        return logits, torch.sigmoid(shifted_sum(planes, self.depth))

    def _masks(self, semantic: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
        """Both attention masks by one convolution: its unused half costs less than a second."""
        attentions = cast(
            'list[PooledAttention]', [self.exchange.attend_semantic, self.exchange.attend_depth]
        )
        summary = torch.cat(
            [each.summary(f) for each, f in zip(attentions, (semantic, depth), strict=True)], dim=1
        )
        convolutions = [each.conv for each in attentions]
        kernel = torch.zeros_like(convolutions[0].weight).repeat(2, 2, 1, 1)
        kernel[0, :2], kernel[1, 2:] = (each.weight[0] for each in convolutions)
        bias = torch.cat([cast(Tensor, each.bias) for each in convolutions])
        masks = torch.sigmoid(F.conv2d(summary, kernel, bias, padding=convolutions[0].padding))
        return masks[:, :1], masks[:, 1:]


class SplitDepthHead(nn.Module):
    """`DepthHead` as nine 1x1 rows whose planes are shifted and added.

    Runtimes compute convolutions in blocks of eight output channels: a 3x3 with one of them
    wastes seven eighths of its work (3.4 ms against 1.2 for 64 channels of 128x256).
    """

    def __init__(self, head: DepthHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, feature: Tensor) -> Tensor:
        """(B, C, h, w) to (B, 1, h, w) in (0, 1)."""
        planes = kernel_rows(self.head) @ feature.flatten(2)
        return torch.sigmoid(shifted_sum(planes.unflatten(2, feature.shape[2:]), self.head))


def kernel_rows(head: DepthHead) -> Tensor:
    """(9, C): the head's kernel, one row per place in it."""
    return head.score.weight[0].flatten(1).T


def shifted_sum(planes: Tensor, head: DepthHead) -> Tensor:
    """(B, 9, h, w) planes of a 3x3 kernel moved to their places and added, plus the bias."""
    score, (height, width) = head.score, planes.shape[2:]
    mode = 'constant' if score.padding_mode == 'zeros' else score.padding_mode
    padded = F.pad(planes, (1, 1, 1, 1), mode=mode)
    total = cast(Tensor, score.bias).view(1, 1, 1, 1)
    for place in range(9):
        top, left = divmod(place, 3)
        total = total + padded[:, place : place + 1, top : top + height, left : left + width]
    return total


def rows_of(own: Tensor, lent: Tensor, feature: Tensor) -> Tensor:
    """Constant rows (R, C) and this frame's rows (B, Q, C) times (B, C, h, w): (B, R + Q, h w)."""
    rows = torch.cat((own.expand(len(lent), -1, -1), lent), dim=1)
    return rows @ feature.flatten(2)


class StreamlinedNetwork(nn.Module):
    """An `SdsNetwork` for inference on a CPU: the same logits and finest disparity."""

    def __init__(self, network: SdsNetwork) -> None:
        super().__init__()
        self.trunk = folded_graph(_without_tail(norms_apart(network)))
        exchange = cast(CrossChannelAttention, network.exchanges[-1])
        self.tail = FusedTail(
            exchange, network.semantic_head, cast(DepthHead, network.depth_heads[-1])
        )

    def forward(self, image: Tensor) -> tuple[Tensor, tuple[Tensor], None]:
        """RGB in [0, 1], (B, 3, H, W), to what `Prediction` holds but for the coarser levels."""
        semantic, depth = self.trunk(image)
        logits, disparity = self.tail(semantic, depth)
        return logits, (disparity,), None


def streamlined(network: SdsNetwork) -> nn.Module:
    """A copy, BatchNorm folded, that says the same faster on a CPU runtime."""
    network = deepcopy(network).eval()
    for exchange, channels in zip(network.exchanges, network.config.decoder_channels, strict=True):
        if isinstance(exchange, CrossChannelAttention):
            for name in ('attend_semantic', 'attend_depth'):
                setattr(exchange, name, PooledAttention(getattr(exchange, name), channels))
    if isinstance(network.exchanges[-1], CrossChannelAttention):
        return StreamlinedNetwork(network)
    network.depth_heads[-1] = SplitDepthHead(cast(DepthHead, network.depth_heads[-1]))
    return folded(network)


class _LeavesTail(Tracer):
    """Traces everything but the last exchange, which stays one node."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        kept = isinstance(m, CrossChannelAttention)
        return kept or super().is_leaf_module(m, module_qualified_name)


def _without_tail(network: nn.Module) -> torch.fx.GraphModule:
    """The network up to its last exchange: image to that exchange's two inputs."""
    graph = _LeavesTail().trace(network)
    place = f'exchanges.{len(cast(SdsNetwork, network).exchanges) - 1}'
    exchange = next(node for node in graph.nodes if node.target == place)
    output = next(node for node in graph.nodes if node.op == 'output')
    output.args = (tuple(exchange.args),)
    trunk = torch.fx.GraphModule(network, graph)
    trunk.graph.eliminate_dead_code()
    trunk.recompile()
    return trunk
