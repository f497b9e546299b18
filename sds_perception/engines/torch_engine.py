"""The reference engine: torch, on the CPU in float32 or on CUDA in float16."""

from __future__ import annotations

import re

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sds_perception.engines import EngineError, EngineOutput
from sds_perception.engines.graph import Detail, VehicleGraph, folded
from sds_perception.release import Release


def choose_device(wanted: str) -> torch.device:
    """The device asked for; never another one."""
    if not re.fullmatch(r'cpu|cuda(:\d+)?', wanted):
        raise EngineError(f"device is '{wanted}', wanted 'cpu', 'cuda' or 'cuda:N'")
    device = torch.device(wanted)
    if device.type == 'cuda' and not torch.cuda.is_available():
        raise EngineError(
            f"device is '{wanted}' but torch sees no CUDA device; "
            "install the matching driver or set device to 'cpu'"
        )
    if device.type == 'cuda' and (device.index or 0) >= torch.cuda.device_count():
        raise EngineError(
            f"device is '{wanted}' but torch sees {torch.cuda.device_count()} CUDA devices"
        )
    return device


class TorchEngine:
    """A release in torch: BatchNorm folded, channels_last, float16 on CUDA.

    On CUDA frames are staged in pinned memory allocated once and uploaded as bytes; only the
    small maps come back.
    """

    def __init__(
        self,
        release: Release,
        device: str = 'cpu',
        *,
        input_size: tuple[int, int] | None = None,
        detail: Detail = 'fast',
        half: bool | None = None,
    ) -> None:
        self.device = choose_device(device)
        self.input_size = input_size or release.input_size
        on_cuda = self.device.type == 'cuda'
        dtype = torch.float16 if (on_cuda if half is None else half) else torch.float32
        graph = VehicleGraph(folded(release.network()), detail)
        self._graph = graph.to(self.device, dtype, memory_format=torch.channels_last).eval()
        self._staging: Tensor | None = None
        self.name = f'torch {self.device} {str(dtype).removeprefix("torch.")}'
        if on_cuda:
            torch.backends.cudnn.benchmark = True  # input sizes are fixed

    @torch.inference_mode()
    def __call__(self, frames: NDArray[np.uint8]) -> EngineOutput:
        """Run on (B, H, W, 3) uint8 RGB of `input_size`."""
        outputs = self._graph(self._uploaded(torch.from_numpy(frames)))
        labels, confidence, disparity, *logits = (each.cpu().numpy() for each in outputs)
        return EngineOutput(labels, confidence, disparity, logits[0] if logits else None)

    def _uploaded(self, frames: Tensor) -> Tensor:
        if self.device.type != 'cuda':
            return frames
        if self._staging is None or self._staging.shape != frames.shape:
            self._staging = torch.empty_like(frames, pin_memory=True)
        self._staging.copy_(frames)
        return self._staging.to(self.device, non_blocking=True)
