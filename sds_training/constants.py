"""Small tensors that are the same in every step, brought to a device once.

A copy from ordinary memory waits until a CUDA device has done all that it was given before; a
training step with fifty of them leaves the device idle fifty times.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=64)
def on_device(table: Tensor, device: torch.device) -> Tensor:
    """A tensor that nobody changes, on `device`; the same one at every call."""
    with torch.inference_mode(False):  # what is kept must serve where gradients flow, too
        return table.to(device, copy=True)


@lru_cache(maxsize=256)
def constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """(N,) numbers as a tensor that nobody changes; the same one at every call."""
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)
