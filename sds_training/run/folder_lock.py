"""A folder that one process at a time may write to."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_HELD: set[IO[str]] = set()


@contextmanager
def held(folder: Path, refusal: Exception) -> Iterator[None]:
    """Hold the folder's lock, or raise `refusal` where another process does.

    It is free again when the process ends, however it ends.
    """
    with (folder / 'lock').open('a') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            raise refusal from problem
        _HELD.add(lock)
        try:
            yield
        finally:
            _HELD.discard(lock)


def _let_go() -> None:
    """In a forked process, such as a loader's: it may outlive a parent that is killed."""
    for lock in _HELD:
        lock.close()
    _HELD.clear()


os.register_at_fork(after_in_child=_let_go)
