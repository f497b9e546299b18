"""Stopping a run between two steps, on SIGINT or SIGTERM."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted(Exception):
    """Somebody asked for a stop, and was heard at a place where nothing is half done."""


@contextmanager
def stop_requests() -> Iterator[threading.Event]:
    """Turn SIGINT and SIGTERM into an event that the loop looks at between steps."""
    event = threading.Event()
    ours = threading.current_thread() is threading.main_thread()  # others may set no handlers
    numbers = (signal.SIGINT, signal.SIGTERM) if ours else ()
    before = {each: signal.signal(each, lambda *_: event.set()) for each in numbers}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
