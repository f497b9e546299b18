"""The real process: how it starts and how it ends."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import rclpy
from domains import free_domain
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import Header

from sds_perception.ros import shipped
from sds_perception.ros.messages import ImageWriter
from sds_perception.ros.node import main
from sds_perception.ros.process import forward_logs
from sds_perception.ros.shipped import PROFILE_VARIABLES, TRANSPORTS_VARIABLE

DOMAIN = free_domain()


@pytest.fixture
def process(tiny_release: Path):
    command = [sys.executable, '-m', 'sds_perception.ros.node', '--ros-args']
    command += ['-p', f'release:={tiny_release}', '-p', 'device:=cpu']
    environment = {**os.environ, 'ROS_DOMAIN_ID': str(DOMAIN)}
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    yield running
    if running.poll() is None:
        running.kill()
    running.communicate()


@pytest.fixture
def observer():
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=DOMAIN)
    yield rclpy.create_node('observer', context=context)
    rclpy.shutdown(context=context)


def change_state(observer: Node, step: int) -> None:
    """Ask the node for a transition and wait until it is done."""
    client = observer.create_client(ChangeState, '/sds_perception/change_state')
    assert client.wait_for_service(60)
    answer = client.call_async(ChangeState.Request(transition=Transition(id=step)))
    executor = SingleThreadedExecutor(context=observer.context)
    executor.add_node(observer)
    executor.spin_until_future_complete(answer, timeout_sec=60)
    executor.remove_node(observer)
    assert answer.result().success


def spinning(process: subprocess.Popen) -> None:
    """Wait until the node says that it is up."""
    for line in process.stderr:
        if 'ready' in line:
            return
    pytest.fail('the node ended before it was ready')


def test_two_signals_at_once_always_end_the_wait() -> None:
    waiting = """
import time
from types import SimpleNamespace
from sds_perception.ros.process import StopRequest
class Executor:
    context = SimpleNamespace(ok=lambda: True)
    def spin_once(self):
        time.sleep(0.001)
    def create_task(self, callback):
        pass
with StopRequest() as stop:
    print('ready', flush=True)
    stop.spin(Executor())
"""
    command = [sys.executable, '-c', waiting]
    all_of_them = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(12)]
    try:
        for each in all_of_them:
            assert each.stdout is not None and each.stdout.readline() == b'ready\n'
        time.sleep(0.3)
        for each in all_of_them:
            each.send_signal(signal.SIGTERM)
            each.send_signal(signal.SIGINT)
        assert [each.wait(timeout=20) for each in all_of_them] == [0] * len(all_of_them)
    finally:
        for each in all_of_them:
            each.kill()


def test_a_callback_that_does_not_end_is_left_at_the_second_ctrl_c_which_is_announced() -> None:
    stuck = """
import time
from types import SimpleNamespace
from sds_perception.ros.process import StopRequest
class Executor:
    context = SimpleNamespace(ok=lambda: True)
    def spin_once(self):
        print('ready', flush=True)
        time.sleep(30)
    def create_task(self, callback):
        pass
with StopRequest() as stop:
    stop.spin(Executor())
"""
    command = [sys.executable, '-c', stuck]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout.readline() == 'ready\n'
            child.send_signal(signal.SIGINT)
            assert 'Ctrl-C again ends at once' in child.stderr.readline()
            assert child.poll() is None
            child.send_signal(signal.SIGINT)
            assert child.wait(timeout=20) == 130
        finally:
            child.kill()


@pytest.mark.parametrize(
    ('signals', 'active'),
    [([signal.SIGINT], True), ([signal.SIGINT] * 2, False), ([signal.SIGTERM], True)],
)
def test_a_signal_or_two_end_the_node_with_exit_code_0(process, signals, active, observer) -> None:
    spinning(process)
    if active:
        for step in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
            change_state(observer, step)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.1)
    assert process.wait(timeout=60) == 0, process.stderr.read()


@pytest.mark.usefixtures('as_a_command')
@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (
            ('--params-file', '/no/such.yaml'),
            "Couldn't parse params file: '--params-file /no/such",
        ),
        (('--params-file', 'MIXED'), "Value type 'integer' do not belong"),
        (
            ('-p', 'use_sim_time:=1'),
            "Trying to set parameter 'use_sim_time' to '1' of type 'INTEGER', expecting",
        ),
    ],
)
def test_a_node_that_cannot_be_is_refused_in_one_sentence(
    arguments, sentence, tmp_path, capsys
) -> None:
    mixed = tmp_path / 'mixed.yaml'
    mixed.write_text('/**: {ros__parameters: {cameras: [front, 2]}}')
    told = [each.replace('MIXED', str(mixed)) for each in arguments]
    assert main(['perception_node', '--ros-args', *told]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith('perception_node: ') and sentence in said
    assert not rclpy.ok()


@pytest.mark.usefixtures('as_a_command')
def test_a_profile_that_is_not_there_is_told_in_one_sentence(capsys, monkeypatch) -> None:
    for name in (*PROFILE_VARIABLES, TRANSPORTS_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(shipped, '__file__', '/nowhere/in/any/shipped.py')
    assert main(['perception_node']) == 2
    assert 'fastdds.xml ships with sds_perception but is in none of' in capsys.readouterr().err


def test_progress_that_a_module_without_ros_logs_reaches_the_logger_of_the_node() -> None:
    logger, ours = Mock(), logging.getLogger('sds_perception')
    forward_logs(logger)
    try:
        logging.getLogger('sds_perception.engines.any').info('half of it is built')
    finally:
        ours.removeHandler(ours.handlers[-1])
        ours.setLevel(logging.NOTSET)
    logger.info.assert_called_once_with('half of it is built')


def test_filling_a_1080p_image_takes_no_time_worth_mentioning() -> None:
    writer, picture = ImageWriter(), np.zeros((1080, 1920), np.float32)
    seconds = []
    for value in range(20):  # one of them undisturbed
        began = time.perf_counter()
        message = writer.fill(picture + value, '32FC1', Header())
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < 0.03  # element by element it takes over a second
    assert np.frombuffer(message.data, np.float32).sum() == 19 * 1080 * 1920


def test_openmp_is_told_to_wait_without_spinning_before_torch_reads_it() -> None:
    look = 'import os, sys, sds_perception.ros as _; print("torch" in sys.modules, os.environ[{}])'
    environment = {key: value for key, value in os.environ.items() if key != 'OMP_WAIT_POLICY'}
    command = [sys.executable, '-c', look.format('"OMP_WAIT_POLICY"')]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ['False', 'passive']
