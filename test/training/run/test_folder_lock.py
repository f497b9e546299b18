from __future__ import annotations

import os
from pathlib import Path

import pytest

from sds_training.run.folder_lock import held


class BusyError(Exception):
    """What the caller makes of a folder that another one holds."""


def test_a_folder_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    with held(tmp_path, BusyError()), pytest.raises(BusyError), held(tmp_path, BusyError()):
        pass
    with held(tmp_path, BusyError()):
        pass


def test_a_loader_process_does_not_hold_the_folder_after_its_parent(tmp_path: Path) -> None:
    """A killed run is started again before its orphaned workers have noticed."""
    (ended, alive), (begun, begins) = os.pipe(), os.pipe()
    with held(tmp_path, BusyError()):
        child = os.fork()
        if child == 0:
            os.close(alive)
            os.write(begins, b'.')
            os.read(ended, 1)  # lives for as long as the parent does
            os._exit(0)
        os.read(begun, 1)
    try:
        with held(tmp_path, BusyError()):
            pass
    finally:
        os.close(alive)
        os.waitpid(child, 0)
