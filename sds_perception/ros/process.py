"""What the process has to arrange around a node that moves large messages."""

from __future__ import annotations

import ctypes
import signal

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
KEEP_BYTES = 1 << 30


def keep_large_buffers() -> bool:
    """Stop glibc from returning each frame's memory to the system; False where it is not glibc.

    A 1080p frame otherwise costs 4500 page faults, 15 ms of latency and a third of a core.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is None:
        return False
    return all(mallopt(name, KEEP_BYTES) == 1 for name in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD))


def ignore_signals() -> None:
    """Let the shutdown under way finish: a second Ctrl-C must not kill it half done.

    Call it first and again last: rclpy puts the default handlers back while it shuts down.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
