"""What the process has to arrange around a node: signals and log lines."""

from __future__ import annotations

import logging
import os
import select
import signal
import threading
from concurrent.futures import Future as ThreadFuture
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, suppress
from typing import Any

from rclpy.executors import Executor, ExternalShutdownException

STOPPING = (signal.SIGINT, signal.SIGTERM)
READY = 'ready to be configured'  # what the node says once it can be
BUSY = 'stopping when the callback under way ends; Ctrl-C again ends at once'
SOON_S = 1.0  # two signals within it are one wish: launch and terminal send one each
INTERRUPTED = 130  # the exit code of what Ctrl-C ended

log = logging.getLogger(__name__)


class StopRequest(AbstractContextManager['StopRequest']):
    """Turns SIGINT and SIGTERM into a request that `spin` follows when its callback has ended.

    Further ones change nothing, unless that callback takes long: building an engine may take
    minutes. Then the next one ends the process.

    rclpy's own handler (switch it off with `SignalHandlerOptions.NO`) interrupts whatever runs
    and shuts the context down under it: a heart beat that publishes or an executor that is
    about to wait then fails.
    """

    def __enter__(self) -> StopRequest:
        # Of two signals at once another thread may take both, and a main thread that waits for
        # anything else sleeps on: only the wake-up descriptor is written to in every case.
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        for number in STOPPING:
            signal.signal(number, lambda number, frame: None)
        self._before = signal.set_wakeup_fd(self._write)
        return self

    def __exit__(self, *_: object) -> None:
        """Ignore signals from here on: Python puts handlers away while it ends."""
        ignore_signals()
        signal.set_wakeup_fd(self._before)
        os.close(self._write)
        os.close(self._read)

    def spin(self, executor: Executor) -> None:
        """Run callbacks until a signal comes or the context ends; raises what went wrong."""
        stopped = threading.Event()
        with ThreadPoolExecutor(1, 'spin') as threads:
            spinning = threads.submit(_spin_until, stopped, executor)
            spinning.add_done_callback(lambda _: os.write(self._write, b'.'))
            os.read(self._read, 1)
            stopped.set()
            executor.create_task(lambda: None)  # something to wake up for
            self._await(spinning)
            with suppress(ExternalShutdownException):
                spinning.result()

    def _await(self, spinning: ThreadFuture[None]) -> None:
        """Wait for the end of the callback under way, or end the process at the next signal."""
        wait([spinning], SOON_S)
        if spinning.done():
            return
        while select.select([self._read], [], [], 0)[0]:  # part of the first wish
            os.read(self._read, 64)
        log.warning(BUSY)
        while not spinning.done():
            os.read(self._read, 64)
            if not spinning.done():
                os._exit(INTERRUPTED)  # nothing gentler reaches a thread that is in a library


def _spin_until(stopped: threading.Event, executor: Executor) -> None:
    # Not spin_until_future_complete: up to rclpy 7.1.7 (Jazzy; rclpy issue 1371) it leaves a
    # callback on the future with every step, 60 MB an hour at 30 frames a second.
    while not stopped.is_set() and executor.context.ok():
        executor.spin_once()


def ignore_signals() -> None:
    """Let the shutdown under way finish: a second Ctrl-C must not kill it half done."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)


def forward_logs(logger: Any) -> None:
    """Hand all that our modules log to a node's logger, whose level decides what is shown."""
    ours = logging.getLogger('sds_perception')
    ours.setLevel(logging.DEBUG)  # Python's own default would keep progress to itself
    ours.addHandler(ToRos(logger))


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
