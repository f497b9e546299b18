"""One recorded CUDA graph with buffers made once: a frame costs copies and one launch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

WARM_UP = 3  # runs before recording, so that cuDNN has chosen its kernels


class CudaReplay:
    """`graph` on one device for one batch size; results are overwritten by the next call.

    Frames go through pinned memory as bytes, and pinned memory takes the small maps back. Class
    scores stay on the device: `labels_at` turns them into labels of any size there.
    """

    @torch.inference_mode()
    def __init__(self, graph: nn.Module, shape: tuple[int, ...], device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)
        self._pinned = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        self._frames = torch.zeros(shape, dtype=torch.uint8, device=device)
        self._stream.wait_stream(torch.cuda.current_stream(device))
        self._recorded = torch.cuda.CUDAGraph()
        # The size is fixed, so kernels are tried once; and float32 means float32: by default
        # cuDNN rounds its factors to ten bits (TF32).
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
            with torch.cuda.stream(self._stream):
                for _ in range(WARM_UP):
                    graph(self._frames)
            self._stream.synchronize()
            # Other threads go on meanwhile: a training's loader pins memory, which ends recording
            # in the default mode and fails in that thread too.
            with torch.cuda.graph(
                self._recorded, stream=self._stream, capture_error_mode='thread_local'
            ):
                self._outputs: tuple[Tensor, ...] = graph(self._frames)
        self._returned = [_pinned_like(each) for each in self._outputs[:3]]
        self._labels: dict[tuple[int, int], Tensor] = {}

    @torch.inference_mode()
    def __call__(self, frames: NDArray[np.uint8]) -> list[NDArray]:
        """Labels, confidence and disparity of frames of the recorded shape, on the host."""
        self._pinned.copy_(torch.from_numpy(frames))
        with torch.cuda.stream(self._stream):
            self._frames.copy_(self._pinned, non_blocking=True)
            self._recorded.replay()
            for host, device in zip(self._returned, self._outputs, strict=False):
                host.copy_(device, non_blocking=True)
        self._stream.synchronize()
        return [each.numpy() for each in self._returned]

    @torch.inference_mode()
    def labels_at(self, place: int, size: tuple[int, int]) -> NDArray[np.uint8]:
        """(H, W) labels of one frame of the last call: bilinear scores, then the best class."""
        if size not in self._labels:
            self._labels[size] = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        host = self._labels[size]
        with torch.cuda.stream(self._stream):
            scores = nn.functional.interpolate(
                self._outputs[3][place, None], size, mode='bilinear', align_corners=False
            )
            host.copy_(scores[0].argmax(dim=0).to(torch.uint8), non_blocking=True)
        self._stream.synchronize()
        return host.numpy()


def _pinned_like(device: Tensor) -> Tensor:
    return torch.empty(device.shape, dtype=device.dtype, pin_memory=True)
