"""The real process: how it starts and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from std_msgs.msg import Header

from sds_perception.ros.messages import ImageWriter


@pytest.fixture
def process(tiny_release: Path):
    command = [sys.executable, '-m', 'sds_perception.ros.node', '--ros-args']
    command += ['-p', f'release:={tiny_release}', '-p', 'device:=cpu']
    environment = {**os.environ, 'ROS_DOMAIN_ID': str(1 + (os.getpid() + 25) % 100)}
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    yield running
    if running.poll() is None:
        running.kill()
    running.communicate()


def spinning(process: subprocess.Popen) -> None:
    """Wait until the node says that it is up."""
    for line in process.stderr:
        if 'ready' in line:
            return
    pytest.fail('the node ended before it was ready')


@pytest.mark.parametrize('signals', [[signal.SIGINT], [signal.SIGINT] * 2])
def test_one_or_two_interrupts_end_the_node_with_exit_code_0(process, signals) -> None:
    spinning(process)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.1)
    assert process.wait(timeout=10) == 0, process.stderr.read()


def test_filling_a_1080p_image_takes_no_time_worth_mentioning() -> None:
    writer, picture = ImageWriter(), np.zeros((1080, 1920), np.float32)
    seconds = []
    for value in range(8):
        began = time.perf_counter()
        message = writer.fill(picture + value, '32FC1', Header())
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < 0.03  # element by element it takes over a second
    assert np.frombuffer(message.data, np.float32).sum() == 7 * 1080 * 1920


def test_openmp_is_told_to_wait_without_spinning_before_torch_reads_it() -> None:
    look = 'import os, sys, sds_perception.ros as _; print("torch" in sys.modules, os.environ[{}])'
    environment = {key: value for key, value in os.environ.items() if key != 'OMP_WAIT_POLICY'}
    command = [sys.executable, '-c', look.format('"OMP_WAIT_POLICY"')]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ['False', 'passive']
