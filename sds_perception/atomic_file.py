"""Files that are there whole or not at all, after a fault and after a power cut as well."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, then move it there; all of it or nothing."""
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix='.partial', delete=False) as file:
        partial = Path(file.name)
    try:
        write(partial)
        partial.chmod(0o644)  # a cache or a release may be shared between users
        with partial.open('rb') as file:
            os.fsync(file.fileno())  # or the new name may reach the disk before the bytes do
        os.replace(partial, path)
    except OSError as problem:
        if problem.errno and not problem.filename:  # a full disk does not say whose file it was
            problem.filename = os.fspath(path)
        raise
    finally:
        partial.unlink(missing_ok=True)
