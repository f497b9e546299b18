"""Keeps a library from leaving this thread with a signal stack that is gone.

OpenVINO gives the thread that compiles a signal stack of its own and, when the engine goes, puts
back the one it found. Where a second engine outlives the first, that is the first one's, freed by
then, and the next Ctrl-C is a segmentation fault. So each engine has to find the thread's own.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Stack(ctypes.Structure):
    """stack_t of sigaltstack(2) on Linux."""

    _fields_ = (
        ('sp', ctypes.c_void_p),
        ('flags', ctypes.c_int),
        ('size', ctypes.c_size_t),
    )


@contextmanager
def signal_stack_kept() -> Iterator[None]:
    """This thread has the same signal stack afterwards as before."""
    if not sys.platform.startswith('linux'):
        yield
        return
    before, libc = _Stack(), ctypes.CDLL(None)
    libc.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        libc.sigaltstack(ctypes.byref(before), None)
