"""What this machine is, and how fast it convolves: the ceiling of every network on it."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from sds_perception.engines.precision import cpu_computes_bf16

PROBE_CHANNELS, PROBE_SIZE = 128, (128, 256)
PROBE_GFLOP = 2 * 9 * PROBE_CHANNELS**2 * PROBE_SIZE[0] * PROBE_SIZE[1] / 1e9


def host_facts() -> dict[str, Any]:
    """Processor, cores, memory, load and versions; what a figure means nothing without."""
    facts: dict[str, Any] = {
        'processor': _cpu_name(),
        'cores': len(os.sched_getaffinity(0)),
        'vector_units': torch.backends.cpu.get_cpu_capability(),
        'load_at_start': round(os.getloadavg()[0], 2),
        'memory_gb': round(os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30, 1),
        'python': platform.python_version(),
        'torch': torch.__version__,
        'torch_threads': torch.get_num_threads(),
        'opencv': cv2.__version__,
        'numpy': np.__version__,
    }
    try:
        import onnxruntime

        facts['onnxruntime'] = onnxruntime.__version__
        facts['providers'] = onnxruntime.get_available_providers()
    except ImportError:
        facts['onnxruntime'] = None
    for name in ('openvino', 'MNN'):
        facts[name.lower()] = version(name) if find_spec(name) else None
    facts['computes_bf16'] = cpu_computes_bf16()
    facts['gpu'] = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return facts


def _cpu_name() -> str:
    found = re.search(r'model name\s*: (.*)', Path('/proc/cpuinfo').read_text())
    return found[1] if found else platform.processor()


def convolution_probe(device: str = 'cpu') -> Callable[[], object]:
    """A 3x3 convolution of 128 channels of 128x256, channels_last; `PROBE_GFLOP` per call.

    A convolution and not a matrix product: on some processors one library is tuned and the other
    is not, and networks are convolutions (performance is quoted as a fraction of this).
    """
    convolution = nn.Conv2d(PROBE_CHANNELS, PROBE_CHANNELS, 3, padding=1).to(device)
    convolution = convolution.to(memory_format=torch.channels_last)
    picture = torch.rand(1, PROBE_CHANNELS, *PROBE_SIZE, device=device)
    picture = picture.to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def probe() -> object:
        return convolution(picture)

    return probe


def resident_mb() -> float:
    """Memory of this process that is in RAM now."""
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 2**20
