"""Sessions of ONNX Runtime on exactly the provider asked for, or a refusal that names the rest."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from sds_perception.engines import PROVIDERS, EngineError, Precision
from sds_perception.engines.export import cache_folder

log = logging.getLogger(__name__)


def parsed_device(device: str) -> tuple[str, int]:
    """'cpu' or 'cuda', and the number of the device."""
    kind, _, number = device.partition(':')
    if kind not in ('cpu', 'cuda') or (number and not number.isdecimal()):
        raise EngineError(f"device is '{device}', wanted 'cpu', 'cuda' or 'cuda:N'")
    return kind, int(number or 0)


def require_provider(provider: str, kind: str) -> None:
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


def provider_options(
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
            'use_tf32': '0',  # float32 means float32, as in torch's engine
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


def open_session(path: Path, provider: str, options: Mapping[str, str], threads: int) -> Any:
    """A session on exactly one provider, or a refusal; progress goes to the log."""
    runtime = _runtime()
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
    settings.inter_op_num_threads = 1
    # Threads that spin while they wait would steal the executor's cores (docs/performance.md).
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
        raise EngineError(
            f'ONNX Runtime cannot run {path}, which is built again once it is deleted: {problem}'
        ) from problem
    if PROVIDERS[provider] not in session.get_providers():
        raise EngineError(
            f'{PROVIDERS[provider]} is installed but did not start; '
            f'ONNX Runtime fell back to {", ".join(session.get_providers())}'
        )
    log.info('engine: %s ready in %.1f s', provider, perf_counter() - began)
    return session
