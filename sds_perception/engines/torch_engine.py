"""The reference engine: torch, on the CPU in float32 or on CUDA in float16."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from sds_perception.engines import (
    EngineError,
    EngineOutput,
    Precision,
    parsed_device,
    require_frames,
)
from sds_perception.engines.cuda_replay import CudaReplay
from sds_perception.engines.folding import folded
from sds_perception.engines.graph import Detail, VehicleGraph
from sds_perception.engines.precision import require_precision
from sds_perception.release import Release

OWN_THREADS = torch.get_num_threads()  # of the whole process, before anybody sets them
TORCH_TYPES = {'fp32': torch.float32, 'fp16': torch.float16, 'bf16': torch.bfloat16}


def choose_device(wanted: str) -> torch.device:
    """The device asked for; never another one."""
    kind, number = parsed_device(wanted)
    if kind == 'cuda' and not torch.cuda.is_available():
        raise EngineError(
            f"device is '{wanted}' but torch sees no CUDA device; "
            "install the matching driver or set device to 'cpu'"
        )
    if kind == 'cuda' and number >= torch.cuda.device_count():
        raise EngineError(
            f"device is '{wanted}' but torch sees {torch.cuda.device_count()} CUDA devices"
        )
    return torch.device(wanted)


class TorchEngine:
    """A release in torch: BatchNorm folded, channels_last, float16 and CUDA graphs on CUDA.

    Args:
        release: what to run.
        device: 'cpu', 'cuda' or 'cuda:N'.
        input_size: (H, W); the release's own where None.
        detail: 'fast' or 'fine' (class scores as well; on CUDA they stay on the device).
        precision: 'fp32', 'fp16' (CUDA) or 'bf16' (where not emulated); None is the device's own.
        threads: CPU threads of all of torch in this process; 0 is one per core, None as it is.
    """

    def __init__(
        self,
        release: Release,
        device: str = 'cpu',
        *,
        input_size: tuple[int, int] | None = None,
        detail: Detail = 'fast',
        precision: Precision | None = None,
        threads: int | None = None,
    ) -> None:
        self.graph_file = None
        self.device = choose_device(device)
        self.input_size = input_size or release.input_size
        self.precision = require_precision(precision, f'torch {self.device.type}')
        if threads is not None:
            torch.set_num_threads(threads or OWN_THREADS)
        dtype = TORCH_TYPES[self.precision]
        graph = VehicleGraph(folded(release.network()), detail)
        self._graph = graph.to(self.device, dtype, memory_format=torch.channels_last).eval()
        self._replays: dict[int, CudaReplay] = {}  # per batch size
        self.name = f'torch {self.device} {str(dtype).removeprefix("torch.")}'

    @torch.inference_mode()
    def __call__(self, frames: NDArray[np.uint8]) -> EngineOutput:
        """Run on (B, H, W, 3) uint8 RGB of `input_size`."""
        require_frames(frames, self.input_size)
        frames = np.ascontiguousarray(frames)  # torch takes no negative strides
        if self.device.type == 'cuda':
            return self._replayed(frames)
        outputs = self._graph(torch.from_numpy(frames))
        labels, confidence, disparity, *logits = (each.numpy() for each in outputs)
        return EngineOutput(labels, confidence, disparity, logits[0] if logits else None)

    def _replayed(self, frames: NDArray[np.uint8]) -> EngineOutput:
        replay = self._replays.get(len(frames))
        if replay is None:
            replay = CudaReplay(self._graph, frames.shape, self.device)
            self._replays[len(frames)] = replay
        fine = self._graph.detail == 'fine'
        return EngineOutput(*replay(frames), None, replay.labels_at if fine else None)
