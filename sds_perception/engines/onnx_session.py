"""Sessions of ONNX Runtime on exactly the provider asked for, or a refusal that names the rest."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

from sds_perception.engines import PROVIDERS, EngineError, Precision, required
from sds_perception.engines.compiling import compiling_alone

log = logging.getLogger(__name__)


def require_provider(provider: str, kind: str) -> None:
    """Refuse, in a sentence, what this installation of ONNX Runtime cannot do."""
    if provider not in PROVIDERS:
        raise EngineError(f'provider is {provider!r}, wanted one of {tuple(PROVIDERS)}')
    if (provider == 'cpu') != (kind == 'cpu'):
        raise EngineError(f'provider {provider} does not run on device {kind}')
    runtime = required('onnxruntime', 'onnxruntime')
    if kind == 'cuda':
        _load_libraries(runtime, provider)
    available = runtime.get_available_providers()
    if PROVIDERS[provider] not in available:
        way_out = '' if kind == 'cpu' else ': uninstall onnxruntime and install onnxruntime-gpu'
        raise EngineError(
            f'ONNX Runtime {runtime.__version__} here has no {PROVIDERS[provider]}, only '
            f'{", ".join(available)}{way_out}'
        )


def _load_libraries(runtime: Any, provider: str) -> None:
    """What a GPU's providers link to, from wheels where there are any, else from the system."""
    if hasattr(runtime, 'preload_dlls'):
        runtime.preload_dlls()  # CUDA and cuDNN, as torch brought them
    if provider == 'tensorrt':
        with suppress(ImportError):
            import_module('tensorrt')  # its libraries come with it


def provider_options(
    provider: str, number: int, precision: Precision, graph: Path
) -> dict[str, str]:
    """What each provider is told; TensorRT keeps its engines and timings beside the graph."""
    if provider == 'cpu':
        return {}
    if provider == 'cuda':
        return {
            'device_id': str(number),
            'cudnn_conv_algo_search': 'EXHAUSTIVE',  # shapes are fixed
            'do_copy_in_default_stream': '1',
            # Float32 means float32, as in torch's engine. Told to a float16 graph this would keep
            # its convolutions from the tensor cores as well.
            'use_tf32': '0' if precision == 'fp32' else '1',
        }
    folder = str(_engine_folder(graph))
    return {
        'device_id': str(number),
        # Where the graph is half already, letting TensorRT choose would halve the rest, too:
        # what it keeps in float32 (CCAM's norms, the softmax) overflows in float16.
        'trt_fp16_enable': 'False',
        'trt_int8_enable': str(precision == 'int8'),
        'trt_engine_cache_enable': 'True',
        'trt_engine_cache_path': folder,
        'trt_timing_cache_enable': 'True',
        'trt_timing_cache_path': folder,
    }


def _engine_folder(graph: Path) -> Path:
    """One folder for all that TensorRT builds of this graph, beside it.

    ONNX Runtime knows an engine again by the names in the graph, GPU and versions, not by weights
    or ranges: calibrated anew a graph would run as the old one. Nor does it know of TF32.
    """
    digest = hashlib.sha256(graph.read_bytes()).hexdigest()[:16]
    exact = '-no-tf32' if os.environ.get('NVIDIA_TF32_OVERRIDE') == '0' else ''
    return graph.parent / f'tensorrt-{digest}{exact}'


def open_session(path: Path, provider: str, options: Mapping[str, str], threads: int) -> Any:
    """A session on exactly one provider, or a refusal; progress goes to the log."""
    runtime, began = required('onnxruntime', 'onnxruntime'), perf_counter()
    if provider != 'cpu':
        runtime.set_default_logger_severity(3)  # or each session tells of plugins it lacks
    if provider == 'tensorrt':
        log.info('engine: building with TensorRT; the first time this takes minutes')
    chosen = _chosen(provider, options)
    try:  # without its fallback, which would try other providers and keep the reason to itself
        with compiling_alone(path) if provider == 'tensorrt' else nullcontext():
            session = runtime.InferenceSession(
                str(path), _settings(runtime, threads), providers=chosen, enable_fallback=0
            )
    except Exception as problem:
        engines = options.get('trt_engine_cache_path')
        built = f'{path} with {engines}' if engines else str(path)
        raise EngineError(
            f'ONNX Runtime cannot run {built}, which is built again once it is deleted: {problem}'
        ) from problem
    _require_started(session, {name for name, _ in chosen})
    log.info('engine: %s ready in %.1f s', provider, perf_counter() - began)
    return session


def _settings(runtime: Any, threads: int) -> Any:
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
    settings.inter_op_num_threads = 1
    # Threads that spin while they wait would steal the executor's cores:
    # docs/performance_notes.md.
    settings.add_session_config_entry('session.intra_op.allow_spinning', '0')
    settings.log_severity_level = 3
    return settings


def _chosen(provider: str, options: Mapping[str, str]) -> list[tuple[str, dict[str, str]]]:
    """The provider as a session takes it, and what has to stand behind it.

    TensorRT leaves operators it lacks to CUDA on the same device; that is not another device.
    """
    chosen = [(PROVIDERS[provider], dict(options))]
    if provider == 'tensorrt':
        chosen.append((PROVIDERS['cuda'], {'device_id': options['device_id']}))
    return chosen


def _require_started(session: Any, wanted: set[str]) -> None:
    if missing := wanted - set(session.get_providers()):
        raise EngineError(
            f'{" and ".join(sorted(missing))} is installed but did not start (the lines above say '
            f'why), ONNX Runtime has {", ".join(session.get_providers())}'
        )
