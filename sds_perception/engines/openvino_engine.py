"""A release in OpenVINO: on the CPU, in bfloat16 where the processor computes in it, or in int8.

Optional (the package `openvino`). In float32 it is as fast as ONNX Runtime; in bfloat16, on CPUs
with AVX512-BF16 or AMX, it needs half the time, calibrated to int8 less still
(docs/performance.md).
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sds_perception.engines import (
    EngineError,
    EngineOutput,
    Precision,
    one_by_one,
    require_frames,
    required,
)
from sds_perception.engines.compiling import compiling_alone
from sds_perception.engines.export import GraphShape
from sds_perception.engines.graph import Detail
from sds_perception.engines.precision import require_precision
from sds_perception.engines.quantise import onnx_graph
from sds_perception.engines.signal_stack import signal_stack_kept
from sds_perception.release import Release

log = logging.getLogger(__name__)

TYPES = {'fp32': 'f32', 'bf16': 'bf16', 'int8': 'f32'}  # of what the graph does not quantise


class OpenVinoEngine:
    """A release as a static graph compiled for this CPU; not for several threads at a time.

    Args:
        release: what to run.
        device: 'cpu'; OpenVINO's GPUs have not been tried and are refused.
        input_size: (H, W); the release's own where None.
        detail: 'fast' or 'fine' (class scores as well).
        precision: 'fp32' (None), 'bf16', which is refused where the CPU only emulates it, or
            'int8' (calibrated before, by the same file that ONNX Runtime reads).
        threads: CPU threads of one call; 0 takes all cores.
        cache: folder for exported and compiled graphs; None is the user's cache.

    Raises:
        EngineError: when it cannot be had here; nothing replaces it.
    """

    def __init__(
        self,
        release: Release,
        device: str = 'cpu',
        *,
        input_size: tuple[int, int] | None = None,
        detail: Detail = 'fast',
        precision: Precision | None = None,
        threads: int = 0,
        cache: str | os.PathLike[str] | None = None,
    ) -> None:
        require_openvino(device)
        self.precision = require_precision(precision, 'openvino cpu')
        self.input_size = input_size or release.input_size
        shape = GraphShape(self.input_size, detail)
        self.graph_file = onnx_graph(release, shape, cache, self.precision)
        compiled = _compiled(self.graph_file, self.precision, threads)
        self._request = compiled.create_infer_request()
        self.name = f'openvino cpu {self.precision}'

    def __call__(self, frames: NDArray[np.uint8]) -> EngineOutput:
        """Run on (B, H, W, 3) uint8 RGB of `input_size`; any B."""
        require_frames(frames, self.input_size)
        return one_by_one(self._run, frames)

    def _run(self, frame: NDArray[np.uint8]) -> list[NDArray[Any]]:
        """One run of the graph on (H, W, 3)."""
        batch = np.ascontiguousarray(frame[None])
        return list(self._request.infer([batch], share_inputs=True, share_outputs=False).values())


def _compiled(path: Path, precision: Precision, threads: int) -> Any:
    """The exported graph, compiled for this CPU or read compiled from the cache beside it."""
    runtime = required('openvino', 'openvino')
    began = perf_counter()
    options = {
        'PERFORMANCE_HINT': 'LATENCY',
        'INFERENCE_PRECISION_HINT': TYPES[precision],
        'INFERENCE_NUM_THREADS': threads or len(os.sched_getaffinity(0)),
        'ENABLE_CPU_PINNING': False,  # the executor and DDS share these cores
        'CACHE_DIR': str(path.parent),
    }
    try:
        with compiling_alone(path), signal_stack_kept():
            compiled = runtime.Core().compile_model(str(path), 'CPU', options)
    except RuntimeError as problem:
        raise EngineError(
            f'OpenVINO cannot run {path}, which is built again once it is deleted: {problem}'
        ) from problem
    log.info('engine: openvino %s ready in %.1f s', precision, perf_counter() - began)
    return compiled


def require_openvino(device: str) -> None:
    """Refuse a device that is not the CPU, and an installation without OpenVINO."""
    if device != 'cpu':
        raise EngineError(f"device is '{device}', engine openvino runs on 'cpu' only")
    required('openvino', 'openvino')
