"""A command ends without a traceback, whenever it is interrupted."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

IN_ITS_IMPORTS = 'import signal\nsignal.raise_signal(signal.SIGINT)\nmain = None\n'
THEN_DONE = 'def main():\n    return 3\n'
IN_ITS_WORK = 'import signal\ndef main():\n    signal.raise_signal(signal.SIGINT)\n'
BEGIN = """
import signal, sys
from sds_perception.commands import Command
signal.signal(signal.SIGINT, {handler})
sys.exit(Command('tool', 'the-tool')())
"""


def run(folder: Path, tool: str, handler: str = 'signal.default_int_handler') -> tuple[int, str]:
    """Exit code and what it said of a command whose module has the source `tool`."""
    (folder / 'tool.py').write_text(tool)
    words = [sys.executable, '-c', BEGIN.format(handler=handler)]
    ended = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60)
    return ended.returncode, ended.stdout + ended.stderr


def test_ctrl_c_in_its_imports_ends_it_in_silence(tmp_path: Path) -> None:
    assert run(tmp_path, IN_ITS_IMPORTS) == (-signal.SIGINT, '')


def test_ctrl_c_in_its_work_ends_it_in_one_line(tmp_path: Path) -> None:
    assert run(tmp_path, IN_ITS_WORK) == (130, 'the-tool: stopped\n')


@pytest.mark.parametrize('tool', [IN_ITS_IMPORTS + THEN_DONE, THEN_DONE])
def test_who_was_started_deaf_to_it_stays_so(tmp_path: Path, tool: str) -> None:
    assert run(tmp_path, tool, 'signal.SIG_IGN') == (3, '')
