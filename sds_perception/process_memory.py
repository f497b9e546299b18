"""How the process keeps its memory, so that frames and training steps do not wait for it."""

from __future__ import annotations

import ctypes
import gc

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
KEEP_BYTES = 1 << 30


def keep_large_buffers() -> bool:
    """Stop glibc from returning each frame's memory to the system; False where it is not glibc.

    A 1080p frame otherwise costs 4500 page faults, 15 ms of latency and a third of a core; a
    training step on a CPU costs a tenth more (docs/training_notes.md).
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is None:
        return False
    return all(mallopt(name, KEEP_BYTES) == 1 for name in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD))


def freeze_garbage_collector() -> None:
    """Look at what is imported by now no more when collecting garbage.

    Python otherwise walks the million objects of torch each time: 0.2 s in the middle of a frame.
    """
    gc.collect()
    gc.freeze()
