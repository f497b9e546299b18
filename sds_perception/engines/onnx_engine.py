"""A release in ONNX Runtime: on the CPU, or on CUDA and TensorRT where their providers are."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sds_perception.engines import EngineError, EngineOutput
from sds_perception.engines.calibration import calibrated_onnx
from sds_perception.engines.export import INPUT, GraphShape, cache_folder, exported_onnx
from sds_perception.engines.graph import Detail
from sds_perception.engines.precision import Precision, require_precision
from sds_perception.release import Release

log = logging.getLogger(__name__)

PROVIDERS = {
    'cpu': 'CPUExecutionProvider',
    'cuda': 'CUDAExecutionProvider',
    'tensorrt': 'TensorrtExecutionProvider',
}
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
        batch: frames per run of the graph; calls with more run it several times.

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
        batch: int = 1,
    ) -> None:
        kind, number = _parsed_device(device)
        provider = provider or kind
        _require_provider(provider, kind)
        self.precision = require_precision(precision, provider)
        self.input_size = input_size or release.input_size
        self.batch = batch
        shape = GraphShape(
            self.input_size, detail, batch, self.precision == 'fp16', for_cpu=provider == 'cpu'
        )
        if self.precision == 'int8':
            path = calibrated_onnx(release, shape, cache)
        else:
            path = exported_onnx(release, shape, cache)
        options = _provider_options(provider, number, self.precision, cache)
        self._session = _session(path, provider, options, threads)
        self.name = f'onnxruntime {provider} {self.precision}'
        self._outputs: dict[str, NDArray[Any]] = {}

    def __call__(self, frames: NDArray[np.uint8]) -> EngineOutput:
        """Run on (B, H, W, 3) uint8 RGB of `input_size`; any B."""
        wanted = (len(frames), *self.input_size, 3)
        if frames.shape != wanted or frames.dtype != np.uint8:
            raise EngineError(
                f'engine input is {frames.dtype} {frames.shape}, wanted uint8 {wanted}'
            )
        self._prepare(len(frames))
        for start in range(0, len(frames), self.batch):
            self._run(np.ascontiguousarray(frames[start : start + self.batch]), start)
        maps = {name: array[: len(frames)] for name, array in self._outputs.items()}
        return EngineOutput(
            maps['labels'], maps['confidence'], maps['disparity'], maps.get('logits')
        )

    def _prepare(self, count: int) -> None:
        """Output buffers for `count` frames, rounded up to whole batches; made once per count."""
        room = -(-count // self.batch) * self.batch
        for each in self._session.get_outputs():
            known = self._outputs.get(each.name)
            if known is None or len(known) < room:
                shape = (room, *each.shape[1:])
                self._outputs[each.name] = np.empty(shape, NUMPY_TYPES[each.type])

    def _run(self, frames: NDArray[np.uint8], start: int) -> None:
        """One run of the graph, straight from the frames into the output buffers."""
        if len(frames) < self.batch:
            frames = np.concatenate((frames, np.repeat(frames[-1:], self.batch - len(frames), 0)))
        binding = self._session.io_binding()
        binding.bind_input(INPUT, 'cpu', 0, np.uint8, frames.shape, frames.ctypes.data)
        for name, array in self._outputs.items():
            part = array[start : start + self.batch]
            binding.bind_output(name, 'cpu', 0, part.dtype.type, part.shape, part.ctypes.data)
        self._session.run_with_iobinding(binding)


def _parsed_device(device: str) -> tuple[str, int]:
    kind, _, number = device.partition(':')
    if kind not in ('cpu', 'cuda') or (number and not number.isdecimal()):
        raise EngineError(f"device is '{device}', wanted 'cpu', 'cuda' or 'cuda:N'")
    return kind, int(number or 0)


def _require_provider(provider: str, kind: str) -> None:
    """Refuse, in a sentence, what this installation of ONNX Runtime cannot do."""
    if provider not in PROVIDERS:
        raise EngineError(f'provider is {provider!r}, wanted one of {tuple(PROVIDERS)}')
    if (provider == 'cpu') != (kind == 'cpu'):
        raise EngineError(f'provider {provider} does not run on device {kind}')
    runtime = _runtime()
    if kind == 'cuda' and hasattr(runtime, 'preload_dlls'):
        runtime.preload_dlls()  # CUDA and cuDNN from the wheels torch brought, where it did
    available = runtime.get_available_providers()
    if PROVIDERS[provider] not in available:
        raise EngineError(
            f'ONNX Runtime {runtime.__version__} here has no {PROVIDERS[provider]}; '
            f'available: {", ".join(available)}'
        )


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as problem:
        raise EngineError(
            'engine onnxruntime needs the package onnxruntime (or onnxruntime-gpu)'
        ) from problem
    return onnxruntime


def _provider_options(
    provider: str, number: int, precision: Precision, cache: str | os.PathLike[str] | None
) -> dict[str, str]:
    """What each provider is told; TensorRT keeps its engines and timings in the cache."""
    if provider == 'cpu':
        return {}
    if provider == 'cuda':
        return {
            'device_id': str(number),
            'cudnn_conv_algo_search': 'EXHAUSTIVE',  # shapes are fixed, the search runs once
            'do_copy_in_default_stream': '1',
        }
    folder = str(cache_folder(cache))
    return {
        'device_id': str(number),
        'trt_fp16_enable': str(precision in ('fp16', 'int8')),
        'trt_int8_enable': str(precision == 'int8'),
        # ONNX Runtime itself keys these by graph, GPU and TensorRT version.
        'trt_engine_cache_enable': 'True',
        'trt_engine_cache_path': folder,
        'trt_timing_cache_enable': 'True',
        'trt_timing_cache_path': folder,
    }


def _session(path: Path, provider: str, options: Mapping[str, str], threads: int) -> Any:
    """A session on exactly one provider, or a refusal; progress goes to the log."""
    runtime = _runtime()
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
    settings.inter_op_num_threads = 1
    # Threads that spin while they wait would steal the executor's cores (performance.md 4).
    settings.add_session_config_entry('session.intra_op.allow_spinning', '0')
    settings.log_severity_level = 3
    began = perf_counter()
    if provider == 'tensorrt':
        log.info('engine: building with TensorRT; the first time this takes minutes')
    # TensorRT leaves operators it lacks to CUDA on the same device; that is not another device.
    order = ('tensorrt', 'cuda') if provider == 'tensorrt' else (provider,)
    chosen = [
        (
            PROVIDERS[name],
            dict(options) if name == provider else {'device_id': options['device_id']},
        )
        for name in order
    ]
    try:
        session = runtime.InferenceSession(str(path), settings, providers=chosen)
    except Exception as problem:
        raise EngineError(f'ONNX Runtime cannot run {path.name}: {problem}') from problem
    if PROVIDERS[provider] not in session.get_providers():
        raise EngineError(
            f'{PROVIDERS[provider]} is installed but did not start; '
            f'ONNX Runtime fell back to {", ".join(session.get_providers())}'
        )
    log.info('engine: %s ready in %.1f s', provider, perf_counter() - began)
    return session
