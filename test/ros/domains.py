"""DDS domains for tests that run beside other tests on the same machine."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path


def free_domain() -> int:
    """A domain from 1 to 100 that no process has taken this way and not ended since."""
    for number in range(1, 101):
        try:
            file = os.open(Path(tempfile.gettempdir(), f'ros-domain-{number}.lock'), os.O_CREAT)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until this process ends
        except OSError:  # taken, or another user's
            continue
        return number
    raise RuntimeError('all of the DDS domains 1 to 100 are taken')
