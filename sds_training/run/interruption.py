"""Stopping a run between two steps, on SIGINT or SIGTERM."""

from __future__ import annotations

import signal
import threading
from typing import Any

STOPPED = 130  # exit code, as after Ctrl-C in a shell


class Interrupted(Exception):
    """Somebody asked the run to stop; its state has been saved."""


class stop_requests:
    """Turn SIGINT and SIGTERM into an event that the loop looks at between steps."""

    def __enter__(self) -> threading.Event:
        self._event = threading.Event()
        self._before: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, lambda *_: self._event.set())
        return self._event

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
