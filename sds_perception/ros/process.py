"""What the process has to arrange around a node: memory, signals, log lines."""

from __future__ import annotations

import ctypes
import gc
import logging
import signal
from typing import Any

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


def keep_pauses_short() -> None:
    """Look at what is imported by now no more when collecting garbage.

    Python otherwise walks the million objects of torch each time: 0.2 s in the middle of a frame.
    """
    gc.collect()
    gc.freeze()


def ignore_signals() -> None:
    """Let the shutdown under way finish: a second Ctrl-C must not kill it half done.

    Call it first and again last: rclpy puts the default handlers back while it shuts down.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


class ToRos(logging.Handler):
    """Forwards the log lines of our modules that know no ROS to a node's logger."""

    def __init__(self, logger: Any) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Log at the nearest ROS level; rclpy wants one place in the code per level."""
        text = self.format(record)
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        elif record.levelno >= logging.INFO:
            self._logger.info(text)
        else:
            self._logger.debug(text)
