"""Which types of number run well where; the others are refused rather than emulated."""

from __future__ import annotations

import logging
import platform
from functools import cache
from pathlib import Path
from time import perf_counter

import torch

from sds_perception.engines import EngineError, Precision

log = logging.getLogger(__name__)

NATIVE: dict[str, tuple[Precision, ...]] = {  # per engine and place; the first is its own
    'torch cpu': ('fp32', 'bf16'),
    'torch cuda': ('fp16', 'fp32', 'bf16'),
    'onnxruntime cpu': ('fp32', 'int8'),
    'onnxruntime cuda': ('fp16', 'fp32'),
    'onnxruntime tensorrt': ('fp16', 'fp32', 'int8'),
    'openvino cpu': ('fp32', 'bf16', 'int8'),
    'mnn cpu': ('winograd', 'fp32'),
}


def require_precision(wanted: Precision | None, place: str) -> Precision:
    """`wanted` if `place`, a key of `NATIVE`, computes in it; the place's own where None."""
    native = NATIVE[place]
    if wanted is None:
        return native[0]
    if wanted not in native:
        raise EngineError(
            f'precision is {wanted!r} with {place}, which does not compute in it: '
            f'wanted {" or ".join(native)}'
        )
    if wanted == 'bf16':
        require_bf16(place)
    return wanted


def require_bf16(place: str) -> None:
    """Refuse bfloat16 that is emulated at `place`: some forty times slower than float32 on CPUs.

    A CPU that has the instructions, but is slower with them, is taken with a warning.
    """
    on_cuda = place.endswith('cuda')
    if on_cuda and torch.cuda.is_bf16_supported(including_emulation=False):
        return
    if on_cuda or not cpu_computes_bf16():
        chip = 'GPU' if on_cuda else 'CPU'
        raise EngineError(
            f"precision is 'bf16' with {place}: this {chip} only emulates it; "
            f'use {NATIVE[place][0]}'
        )
    mention_slow_bf16()


def mention_slow_bf16() -> None:
    """A warning where bfloat16 was asked for and float32 would be quicker."""
    if not bf16_pays():
        log.warning('this CPU is slower in bfloat16 than in float32: fp32 would be quicker')


def cpu_computes_bf16(cpuinfo: str | None = None) -> bool:
    """Whether the CPU has bfloat16 products (AVX512-BF16, AMX, ARM bf16); False if unknown."""
    if cpuinfo is None:
        if platform.system() != 'Linux':
            return False
        cpuinfo = Path('/proc/cpuinfo').read_text()
    return bool({'avx512_bf16', 'amx_bf16', 'bf16'} & set(cpuinfo.split()))


@cache
def bf16_pays() -> bool:
    """Whether this CPU computes convolutions quicker in bfloat16 than in float32; tried once.

    Having the instructions is not enough: of two CPUs that list AVX512-BF16 one takes half of
    float32's time and the other twice (docs/performance.md).
    """
    if not cpu_computes_bf16():
        return False
    seconds = convolution_seconds((torch.float32, torch.bfloat16))
    return seconds[torch.bfloat16] < seconds[torch.float32]


def convolution_seconds(types: tuple[torch.dtype, ...]) -> dict[torch.dtype, float]:
    """Best time of a 3x3 convolution of 64 channels at 96x192 in each type, taken in turn."""
    picture = torch.rand(1, 64, 96, 192).contiguous(memory_format=torch.channels_last)
    kernel = torch.rand(64, 64, 3, 3).contiguous(memory_format=torch.channels_last)
    taken = dict.fromkeys(types, float('inf'))
    with torch.no_grad():
        for each in types * 6:
            operands = picture.to(each), kernel.to(each)
            began = perf_counter()
            torch.nn.functional.conv2d(*operands, padding=1)
            taken[each] = min(taken[each], perf_counter() - began)
    return taken
