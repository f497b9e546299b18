"""Processes that work for a command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

COMMAND = """
import time
from sds_training.worker_process import finished
try:
    for _ in finished(time.sleep, [(0,), (300,)], 2):
        print('one waits, one works', flush=True)
except KeyboardInterrupt:
    print('stopped')
"""


def as_a_terminal_and_a_stubborn_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's & ignores it
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as a supervisor may; it is inherited


def test_of_control_c_the_command_alone_speaks_and_nobody_works_on() -> None:
    command = subprocess.Popen(
        [sys.executable, '-c', COMMAND],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=as_a_terminal_and_a_stubborn_parent,
    )
    assert command.stdout.readline() == 'one waits, one works\n'
    time.sleep(0.3)  # it waits by now
    os.killpg(command.pid, signal.SIGINT)  # as a terminal does
    assert command.communicate(timeout=60) == ('stopped\n', '')
