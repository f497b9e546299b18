"""One process at a time compiles a graph, since runtimes write what they compiled beside it."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)


@contextmanager
def compiling_alone(graph: Path) -> Iterator[None]:
    """Hold `graph`; another process that wants to compile it waits, and then finds it compiled.

    Two OpenVINOs that write the same file into one cache fail each other. The graph itself is
    what is locked, so that nothing is left behind and a cache may be read-only; a process that
    ends, however it ends, lets go.
    """
    # NFS locks only what is open for writing.
    with graph.open('r+b' if os.access(graph, os.W_OK) else 'rb') as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info('engine: waiting for another process that compiles %s', graph)
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
