"""A regular beat beside the executor: it goes on while a callback builds an engine for minutes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class Heartbeat:
    """Calls `beat` every `period_s()` seconds on a thread of its own, until `stop`.

    A second executor thread would do the same, at a price: rclpy's MultiThreadedExecutor waits
    for other entities while a message still waits to be taken, and Fast DDS wakes it for that
    message again and again. With /clock at 100 Hz it then turns 5000 times a second, holds the
    interpreter and starves the frames (docs/performance_notes.md).
    """

    def __init__(self, beat: Callable[[], None], period_s: Callable[[], float]) -> None:
        self._beat, self._period_s = beat, period_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name='heartbeat', daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Beat no more; returns when the last beat is over. May be called again."""
        self._ended.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._period_s()):
            try:
                self._beat()
            except Exception as problem:  # a beat that is missed must not be the last
                log.error('no diagnostics this time', exc_info=problem)
