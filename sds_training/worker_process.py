"""Processes that work for a command: they leave Ctrl-C to it, and are gone when it is."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any

import cv2


def finished(
    work: Callable[..., Any], orders: Iterable[tuple[Any, ...]], processes: int
) -> Iterator[Any]:
    """Yield what `work(*order)` returns in one of `processes`, for each order once it is done.

    What goes wrong, here or there, ends all of them at once: nobody waits for what is half done.

    Raises:
        BrokenExecutor: when a process was ended from outside.
    """
    # Spawned, not forked: the caller may hold threads of torch, and a fork would inherit locks.
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(processes, context, _begin) as pool:
        try:
            with _interrupts_held():
                jobs = [pool.submit(work, *order) for order in orders]
            for job in as_completed(jobs):
                yield job.result()
        except BaseException:
            for worker in multiprocessing.active_children():
                worker.kill()  # SIGTERM may be ignored: who starts a command hands that down
            raise


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hear of Ctrl-C afterwards; processes started within never do, nor does an import there."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin() -> None:
    """Use one thread, since processes share the cores already, and end with the parent."""
    cv2.setNumThreads(0)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # sys.exit would end this thread alone
