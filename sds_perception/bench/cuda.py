"""The rows a CUDA device adds: eager, half precision, recorded graph, ONNX Runtime, TensorRT."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from sds_perception.bench.figures import Budget, Figure, ratio, timed_rounds, times
from sds_perception.bench.networks import benched_release
from sds_perception.engines import EngineError
from sds_perception.engines.onnx_engine import OnnxEngine
from sds_perception.engines.reference_frames import synthetic_frames
from sds_perception.engines.torch_engine import TorchEngine


def cuda_figures(name: str, size: tuple[int, int], cache: Path, budget: Budget) -> list[Figure]:
    """Every CUDA engine that can be had here, frames in and maps out, in rounds.

    'eager fp32' is torch as it comes, with TF32 in its convolutions; the engines' fp32 is without.
    """
    group, frames = f'{name} {size[1]}x{size[0]} cuda', synthetic_frames(size, 1)
    release = benched_release(name, size)
    engines = {
        'cuda graph fp16': TorchEngine(release, 'cuda', precision='fp16'),
        'cuda graph fp32': TorchEngine(release, 'cuda', precision='fp32'),
    }
    rows: list[Figure] = []
    for provider in ('cuda', 'tensorrt'):
        try:
            engines[f'onnxruntime {provider} fp16'] = OnnxEngine(  # type: ignore[assignment]
                release, 'cuda', provider=provider, precision='fp16', cache=cache
            )
        except EngineError as problem:
            rows.append(Figure(group, f'onnxruntime {provider}', float('nan'), note=str(problem)))
    runs: dict[str, Callable[[], object]] = {
        'eager fp32': _eager(release.network(), size, torch.float32),
        'eager fp16': _eager(release.network(), size, torch.float16),
    }
    runs |= {each: lambda engine=engine: engine(frames) for each, engine in engines.items()}
    timings = timed_rounds(runs, budget)
    fastest = min(engines, key=lambda each: timings[each].best)
    speed_up = ratio(group, f'eager fp32 / {fastest}', timings['eager fp32'], timings[fastest])
    return [*times(group, timings), speed_up, *rows]


def _eager(
    network: torch.nn.Module, size: tuple[int, int], dtype: torch.dtype
) -> Callable[[], object]:
    """The plain network with its answer on the host, as a wrapper would call it."""
    network = network.to('cuda', dtype)
    image = torch.zeros(1, 3, *size, dtype=dtype)

    @torch.inference_mode()
    def run() -> object:
        prediction = network(image.to('cuda'))
        return prediction.logits.argmax(dim=1).cpu(), prediction.disparity[0].float().cpu()

    return run
