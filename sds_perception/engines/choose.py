"""From the words of a parameter file to an engine: the one asked for, or a refusal."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch

from sds_perception.engines import ENGINES, Engine, EngineError, parsed_device, required
from sds_perception.engines.graph import Detail
from sds_perception.engines.precision import NATIVE, bf16_pays, require_precision
from sds_perception.release import Release

MODULES = {'mnn': 'MNN'}  # where the module has another name than the engine


def build_engine(
    release: Release,
    engine: str,
    device: str,
    *,
    input_size: tuple[int, int] | None = None,
    detail: Detail = 'fast',
    **options: Any,
) -> Engine:
    """Build `engine`, one of `ENGINES`, for `device` ('cpu', 'cuda', 'cuda:N').

    Args:
        release: what the engine is to run.
        engine: its name.
        device: where it is to run.
        input_size: (H, W) instead of the release's own, multiples of 32.
        detail: 'fast' (labels at the network's stride) or 'fine' (class scores as well).
        options: further options of that engine, such as `cache` or `threads`.

    Raises:
        EngineError: when it cannot be had here; another one is never taken in its place.
    """
    size = input_size or release.input_size
    require_size(release, size)
    if detail not in ('fast', 'fine'):
        raise EngineError(f"detail is {detail!r}, wanted 'fast' or 'fine'")
    if engine == 'torch':
        from sds_perception.engines.torch_engine import TorchEngine

        return TorchEngine(release, device, input_size=size, detail=detail, **options)
    if engine == 'onnxruntime':
        from sds_perception.engines.onnx_engine import OnnxEngine

        return OnnxEngine(release, device, input_size=size, detail=detail, **options)
    if engine == 'openvino':
        from sds_perception.engines.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(release, device, input_size=size, detail=detail, **options)
    if engine == 'mnn':
        from sds_perception.engines.mnn_engine import MnnEngine

        return MnnEngine(release, device, input_size=size, detail=detail, **options)
    raise EngineError(f'engine is {engine!r}, wanted one of {tuple(ENGINES)}')


def require_size(release: Release, size: tuple[int, int]) -> None:
    """Refuse (H, W) that the network of this release cannot take."""
    multiple = release.network_config.size_multiple
    if min(size) < multiple or any(side % multiple for side in size):
        raise EngineError(f'input size is {size[1]}x{size[0]}, wanted multiples of {multiple}')


def require_int8(engine: str, device: str, provider: str | None = None) -> None:
    """Refuse what does not compute in int8 here, before minutes go into calibrating for it."""
    able = dict.fromkeys(place.split()[0] for place in NATIVE if 'int8' in NATIVE[place])
    if engine not in able:
        raise EngineError(f'int8 is for engine {" or ".join(able)}, not {engine}')
    required('onnxruntime', f'{engine} int8')  # its quantiser is used for both
    if engine == 'openvino':
        from sds_perception.engines.openvino_engine import require_openvino

        return require_openvino(device)
    from sds_perception.engines.onnx_session import require_provider

    kind, _ = parsed_device(device)
    require_provider(provider or kind, kind)
    require_precision('int8', f'onnxruntime {provider or kind}')


def quickest_engine(device: str) -> tuple[str, str]:
    """Engine and precision that need least time here; '' is the engine's own precision.

    On the CPU OpenVINO in bfloat16, where that is quick, takes a fifth to a half of torch's time;
    in float32 with AVX512, which MNN's wheels do not use, OpenVINO takes eight tenths of ONNX
    Runtime's for the shipped release, with AVX2 MNN nine tenths (docs/performance.md). Elsewhere
    it is torch.
    """
    if device != 'cpu':
        return 'torch', ''
    if find_spec('openvino') and bf16_pays():
        return 'openvino', 'bf16'
    wide = torch.backends.cpu.get_cpu_capability() == 'AVX512'
    order = ('openvino', 'onnxruntime', 'mnn') if wide else ('mnn', 'onnxruntime')
    return next((name for name in order if find_spec(MODULES.get(name, name))), 'torch'), ''
