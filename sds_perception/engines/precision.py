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

NATIVE = {  # per provider of ONNX Runtime
    'cpu': ('fp32', 'int8'),
    'cuda': ('fp16', 'fp32'),
    'tensorrt': ('fp16', 'fp32', 'int8'),
}


def require_precision(wanted: Precision | None, provider: str) -> Precision:
    """`wanted` if ONNX Runtime's `provider` computes in it; the provider's own where None."""
    native = NATIVE[provider]
    if wanted is None:
        return native[0]
    if wanted not in native:
        raise EngineError(
            f'precision is {wanted!r} on {provider}, wanted one of {native}: '
            'anything else would be emulated'
        )
    return wanted


def require_openvino_precision(wanted: Precision | None) -> Precision:
    """`wanted` if OpenVINO computes in it on this CPU; fp32 where None."""
    if wanted is None:
        return 'fp32'
    if wanted in ('fp32', 'int8'):
        return wanted
    if wanted == 'bf16' and cpu_computes_bf16():
        mention_slow_bf16()
        return wanted
    why = 'this CPU only emulates it' if wanted == 'bf16' else "wanted 'fp32', 'bf16' or 'int8'"
    raise EngineError(f'precision is {wanted!r} with openvino: {why}')


def require_mnn_precision(wanted: Precision | None) -> Precision:
    """`wanted` if it is one of MNN's two ways of float32; the quicker where None."""
    if wanted in (None, 'winograd', 'fp32'):
        return wanted or 'winograd'
    raise EngineError(f"precision is {wanted!r} with mnn: wanted 'winograd' or 'fp32'")


def require_torch_precision(wanted: Precision | None, device: str) -> Precision:
    """`wanted` if torch on 'cpu' or 'cuda' computes in it; fp32 or fp16 where None.

    Emulated bfloat16 is some forty times slower than float32, so it is refused where the CPU
    lacks the instructions.
    """
    if wanted is None:
        return 'fp16' if device == 'cuda' else 'fp32'
    if wanted == 'fp32' or (device == 'cuda' and wanted == 'fp16'):
        return wanted
    if wanted == 'bf16' and device == 'cuda':
        return _bf16_on_cuda()
    if wanted == 'bf16' and cpu_computes_bf16():
        mention_slow_bf16()
        return wanted
    if device == 'cpu' and wanted in ('fp16', 'bf16'):
        why = 'this CPU only emulates it; use fp32'
    else:
        why = f'wanted {"fp32, fp16 or bf16" if device == "cuda" else "fp32 or bf16"}'
    raise EngineError(f'precision is {wanted!r} with torch on {device}: {why}')


def _bf16_on_cuda() -> Precision:
    if not torch.cuda.is_bf16_supported(including_emulation=False):
        raise EngineError("precision is 'bf16', this GPU only emulates it; use fp16")
    return 'bf16'


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
