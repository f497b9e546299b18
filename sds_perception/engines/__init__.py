"""Ways to run a release: every engine takes uint8 frames and gives the same three small maps."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

ENGINES = {  # what each can be told besides its precision
    'torch': ('threads',),
    'onnxruntime': ('threads', 'cache', 'provider'),
    'openvino': ('threads', 'cache'),
    'mnn': ('threads', 'cache'),
}
PROVIDERS = {  # of ONNX Runtime
    'cpu': 'CPUExecutionProvider',
    'cuda': 'CUDAExecutionProvider',
    'tensorrt': 'TensorrtExecutionProvider',
}
# Read when it is imported: unless told so ONNX Runtime reports its use to its maker.
os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')

Precision = Literal['fp32', 'winograd', 'fp16', 'bf16', 'int8']
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

# Place in the batch and size (H, W) to (H, W) labels, overwritten by the next call.
LabelsAt = Callable[[int, tuple[int, int]], NDArray[np.uint8]]


class EngineError(RuntimeError):
    """An engine that cannot be had here; the message says what was asked for and is missing."""

    def __init__(self, message: str) -> None:
        super().__init__(re.sub(r'\s*\n\s*', ' ', message.strip()))  # runtimes speak in lines


class EngineOutput(NamedTuple):
    """What an engine says about a batch; h = H / finest stride, likewise w.

    The arrays may be overwritten by the engine's next call: copy what must live longer.
    """

    labels: NDArray[np.uint8]  # (B, h, w) train ids
    confidence: NDArray[np.uint8]  # (B, h, w), 0..255 for a class probability of 0..1
    disparity: NDArray[np.float32]  # (B, h, w) sigmoid disparity
    logits: NDArray[np.float32] | None  # (B, K, h, w); None unless the engine was built 'fine'
    labels_at: LabelsAt | None = None  # where logits stay on the device: fine labels, made there


class Engine(Protocol):
    """One release on one device with one input size."""

    name: str  # such as 'torch cpu float32'
    input_size: tuple[int, int]  # (H, W)
    graph_file: Path | None  # in the cache, where it was built from a file

    @property
    def precision(self) -> str:
        """One of `PRECISIONS`."""
        ...

    def __call__(self, frames: NDArray[np.uint8]) -> EngineOutput:
        """Run on (B, H, W, 3) uint8 RGB of `input_size`."""
        ...


def required(module: str, engine: str) -> Any:
    """The module that `engine` runs on, imported; EngineError where it is not installed."""
    try:
        return import_module(module)
    except ImportError as problem:
        raise EngineError(f'engine {engine} needs the package {module}') from problem


def parsed_device(device: str) -> tuple[str, int]:
    """'cpu' or 'cuda', and the number of the device; EngineError for anything else."""
    if not re.fullmatch('cpu|cuda(:[0-9]+)?', device):
        raise EngineError(f"device is '{device}', wanted 'cpu', 'cuda' or 'cuda:N'")
    kind, _, number = device.partition(':')
    return kind, int(number or 0)


def require_frames(frames: NDArray[np.uint8], input_size: tuple[int, int]) -> None:
    """Refuse what is not (B, H, W, 3) uint8 of `input_size`."""
    wanted = (len(frames), *input_size, 3)
    if frames.shape != wanted or frames.dtype != np.uint8:
        raise EngineError(f'engine input is {frames.dtype} {frames.shape}, wanted uint8 {wanted}')


def one_by_one(
    run: Callable[[NDArray[np.uint8]], Sequence[NDArray]], frames: NDArray[np.uint8]
) -> EngineOutput:
    """What `run` says of each (H, W, 3) frame in turn, joined; its maps are in our order."""
    each = [run(frame) for frame in frames]
    joined = each[0] if len(each) == 1 else map(np.concatenate, zip(*each, strict=True))
    labels, confidence, disparity, *logits = joined
    return EngineOutput(labels, confidence, disparity, logits[0] if logits else None)
