"""A command ends without a traceback, however and whenever it is interrupted."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

IN_ITS_IMPORTS = 'import signal\nsignal.raise_signal(signal.{name})\nmain = None\n'
THEN_DONE = 'def main():\n    return 3\n'
IN_ITS_WORK = 'import signal\ndef main():\n    signal.raise_signal(signal.{name})\n    return 3\n'
BEGIN = """
import signal, sys
from sds_perception.commands import Command
signal.signal(signal.{name}, {handler})
sys.exit(Command('tool', 'the-tool')())
"""
HANDLERS = {'SIGINT': 'signal.default_int_handler', 'SIGTERM': 'signal.SIG_DFL'}  # a shell's
both = pytest.mark.parametrize('name', HANDLERS)


def run(folder: Path, tool: str, name: str, handler: str = '') -> tuple[int, str]:
    """Exit code and what it said of a command whose module has the source `tool`."""
    (folder / 'tool.py').write_text(tool.format(name=name))
    begin = BEGIN.format(name=name, handler=handler or HANDLERS[name])
    words = [sys.executable, '-c', begin]
    ended = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60)
    return ended.returncode, ended.stdout + ended.stderr


@both
def test_a_signal_in_its_imports_ends_it_in_silence(tmp_path: Path, name: str) -> None:
    assert run(tmp_path, IN_ITS_IMPORTS, name) == (-getattr(signal, name), '')


@both
def test_a_signal_in_its_work_ends_it_in_one_line(tmp_path: Path, name: str) -> None:
    assert run(tmp_path, IN_ITS_WORK, name) == (130, 'the-tool: stopped\n')


@both
@pytest.mark.parametrize('tool', [IN_ITS_IMPORTS + THEN_DONE, THEN_DONE, IN_ITS_WORK])
def test_who_was_started_deaf_to_it_stays_so(tmp_path: Path, name: str, tool: str) -> None:
    assert run(tmp_path, tool, name, 'signal.SIG_IGN') == (3, '')
