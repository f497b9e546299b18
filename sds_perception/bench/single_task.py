"""Two networks where we have one: the same encoder and decoder, each for one task only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse

from sds_perception.engines.export import INPUT, onnx_of
from sds_perception.engines.graph import VehicleGraph
from sds_perception.engines.onnx_session import open_session
from sds_perception.engines.streamline import SplitDepthHead
from sds_perception.network import SdsNetwork
from sds_perception.network.heads import DepthHead


class SemanticOnly(nn.Module):
    """The semantic half of a network, without any exchange."""

    def __init__(self, network: SdsNetwork) -> None:
        super().__init__()
        self.network = _Half(network, network.semantic_levels, network.semantic_head)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """(B, H, W, 3) uint8 to labels and confidence, as `VehicleGraph` makes them."""
        scores = _Scores(self.network)
        labels, confidence, _ = VehicleGraph(scores)(frames)
        return labels, confidence


class DepthOnly(nn.Module):
    """The depth half of a network, without any exchange."""

    def __init__(self, network: SdsNetwork) -> None:
        super().__init__()
        head = SplitDepthHead(cast(DepthHead, network.depth_heads[-1]))
        self.network = _Half(network, network.depth_levels, head)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, H, W, 3) uint8 to disparity (B, h, w)."""
        disparity: Tensor = self.network(frames.permute(0, 3, 1, 2).float() / 255)
        return disparity[:, 0]


class _Half(nn.Module):
    def __init__(self, network: SdsNetwork, levels: nn.ModuleList, head: nn.Module) -> None:
        super().__init__()
        self.body = fuse(_Body(network, levels).eval())
        self.head = head

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.body(image))


class _Body(nn.Module):
    def __init__(self, network: SdsNetwork, levels: nn.ModuleList) -> None:
        super().__init__()
        self.encoder, self.levels, self.places = network.encoder, levels, network.config.levels
        self.register_buffer('mean', network.pixel_mean)
        self.register_buffer('std', network.pixel_std)

    def forward(self, image: Tensor) -> Tensor:
        taps = self.encoder((image - self.mean) / self.std)
        feature = taps[-1]
        for level, place in zip(self.levels, self.places, strict=True):
            feature = level(feature, taps[place - 1] if place > 0 else None)
        return feature


class _Scores(nn.Module):
    """Semantic scores in the shape of a joint prediction, with no depth to speak of."""

    def __init__(self, half: nn.Module) -> None:
        super().__init__()
        self.network = half

    def forward(self, image: Tensor) -> tuple[Tensor, tuple[Tensor], None]:
        logits = self.network(image)
        return logits, (logits[:, :1],), None


def single_task_runs(
    network: SdsNetwork, size: tuple[int, int], folder: Path
) -> dict[str, Callable[[], object]]:
    """Both halves in ONNX Runtime on the CPU, ready to be timed; files go to `folder`."""
    frames = np.zeros((1, *size, 3), np.uint8)
    halves = {
        'semantics alone': (SemanticOnly(network), ('labels', 'confidence')),
        'depth alone': (DepthOnly(network), ('disparity',)),
    }
    runs: dict[str, Callable[[], object]] = {}
    for name, (module, outputs) in halves.items():
        path = folder / f'{name.replace(" ", "-")}.onnx'
        model = onnx_of(module, torch.from_numpy(frames), outputs)
        path.write_bytes(model.SerializeToString())
        session = open_session(path, 'cpu', {}, 0)
        runs[name] = lambda session=session: session.run(None, {INPUT: frames})
    return runs
