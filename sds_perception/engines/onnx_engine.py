"""A release in ONNX Runtime: on the CPU, or on CUDA and TensorRT where their providers are."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sds_perception.engines import EngineOutput, Precision, parsed_device, require_frames
from sds_perception.engines.export import INPUT, GraphShape
from sds_perception.engines.graph import Detail
from sds_perception.engines.onnx_session import (
    open_session,
    provider_options,
    require_provider,
)
from sds_perception.engines.precision import require_precision
from sds_perception.engines.quantise import onnx_graph
from sds_perception.release import Release

NUMPY_TYPES = {'tensor(uint8)': np.uint8, 'tensor(float)': np.float32}


class OnnxEngine:
    """A release as a static graph with buffers made once; not for several threads at a time.

    Args:
        release: what to run.
        device: 'cpu', 'cuda' or 'cuda:N'.
        input_size: (H, W); the release's own where None.
        detail: 'fast' or 'fine' (class scores as well).
        provider: 'cpu', 'cuda' or 'tensorrt'; None takes the one named like the device.
        precision: 'fp32', 'fp16' (cuda, tensorrt) or 'int8' (cpu, tensorrt; calibrated before).
        threads: CPU threads of one call; 0 takes all cores.
        cache: folder for exported graphs and TensorRT engines; None is the user's cache.

    Raises:
        EngineError: when the provider or precision cannot be had here; nothing replaces it.
    """

    def __init__(
        self,
        release: Release,
        device: str = 'cpu',
        *,
        input_size: tuple[int, int] | None = None,
        detail: Detail = 'fast',
        provider: str | None = None,
        precision: Precision | None = None,
        threads: int = 0,
        cache: str | os.PathLike[str] | None = None,
    ) -> None:
        kind, number = parsed_device(device)
        provider = provider or kind
        require_provider(provider, kind)
        self.precision = require_precision(precision, f'onnxruntime {provider}')
        self.input_size = input_size or release.input_size
        half, streamlined = self.precision == 'fp16', (provider, self.precision) == ('cpu', 'fp32')
        shape = GraphShape(self.input_size, detail, half, streamlined)
        self.graph_file = onnx_graph(release, shape, cache, self.precision, provider)
        options = provider_options(provider, number, self.precision, self.graph_file)
        self._session = open_session(self.graph_file, provider, options, threads)
        self.name = f'onnxruntime {provider} {self.precision}'
        self._outputs: dict[str, NDArray[Any]] = {}

    def __call__(self, frames: NDArray[np.uint8]) -> EngineOutput:
        """Run on (B, H, W, 3) uint8 RGB of `input_size`; any B."""
        require_frames(frames, self.input_size)
        self._prepare(len(frames))
        for place, frame in enumerate(frames):
            self._run(np.ascontiguousarray(frame[None]), place)
        maps = {name: array[: len(frames)] for name, array in self._outputs.items()}
        return EngineOutput(
            maps['labels'], maps['confidence'], maps['disparity'], maps.get('logits')
        )

    def _prepare(self, count: int) -> None:
        """Output buffers for `count` frames; made once for the most."""
        for each in self._session.get_outputs():
            known = self._outputs.get(each.name)
            if known is None or len(known) < count:
                shape = (count, *each.shape[1:])
                self._outputs[each.name] = np.empty(shape, NUMPY_TYPES[each.type])

    def _run(self, frame: NDArray[np.uint8], place: int) -> None:
        """One run of the graph, straight from (1, H, W, 3) to its place in the output buffers."""
        binding = self._session.io_binding()
        binding.bind_input(INPUT, 'cpu', 0, np.uint8, frame.shape, frame.ctypes.data)
        for name, array in self._outputs.items():
            part = array[place : place + 1]
            binding.bind_output(name, 'cpu', 0, part.dtype.type, part.shape, part.ctypes.data)
        self._session.run_with_iobinding(binding)
