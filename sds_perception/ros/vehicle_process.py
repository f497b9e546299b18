"""The real node in a process of its own, as on a vehicle, for the demo, benchmarks and tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.node import Node

from sds_perception.ros.process import READY
from sds_perception.ros.shipped import prepare_transport

NODE = '/sds_perception'
CHANGE_STATE = f'{NODE}/change_state'
_STOP_S = 30.0  # a node may have a network call to finish and a report to write
_FORGOTTEN_S = 25.0  # DDS still shows a killed process for 20


class VehicleError(RuntimeError):
    """A child process that did not do its part; the message quotes what it said last."""


class ChildProcess:
    """One of our modules with ROS arguments, its output in `log`, ended by SIGINT on exit."""

    def __init__(self, module: str, arguments: Sequence[str], log: Path) -> None:
        self.log = log
        self._name = module.rsplit('.', 1)[-1]
        self._command = [sys.executable, '-m', module, *arguments]

    def __enter__(self) -> ChildProcess:
        environment = dict(os.environ)
        prepare_transport(environment)
        with self.log.open('w') as log:
            self._process = subprocess.Popen(
                self._command, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it; a child that ended badly is a fault unless another is under way."""
        code = self.stop()
        if code and problem is None:
            raise VehicleError(f'{self._name} ended with {code}: {self.last_words()}')

    def stop(self) -> int:
        """Ask it to end as Ctrl-C does; its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            return self.wait(_STOP_S)
        except BaseException:  # a second Ctrl-C: nobody else would end the child any more
            self._process.kill()
            self._process.wait()
            raise

    def wait(self, seconds: float) -> int:
        """Wait for its own end; killed, and its code negative, where that does not come."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def said(self, words: str) -> bool:
        """Whether its log holds `words`."""
        return words in self.log.read_text(errors='replace')

    def last_words(self) -> str:
        """The last line of its log that says something."""
        lines = [line for line in self.log.read_text(errors='replace').splitlines() if line]
        return lines[-1] if lines else 'it said nothing'


def perception_process(
    parameters: Mapping[str, Any], remaps: Mapping[str, str], log: Path
) -> ChildProcess:
    """The perception node with these parameters; `log` gets what it says."""
    arguments = ['--ros-args']
    for name, value in parameters.items():
        # JSON is YAML, and says 'text' from number the way rcl reads it.
        arguments += ['-p', f'{name}:={json.dumps(value)}']
    for name, target in remaps.items():
        arguments += ['-r', f'{name}:={target}']
    return ChildProcess('sds_perception.ros.node', arguments, log)


def bring_up(observer: Node, process: ChildProcess, timeout_s: float = 120.0) -> None:
    """Configure and activate the node of `process`, or raise VehicleError with its reason."""
    change = observer.create_client(ChangeState, CHANGE_STATE)
    if _another_answers(observer, process):
        _require_alone(observer)
    give_up_s = time.monotonic() + timeout_s
    while not change.wait_for_service(0.2):
        if not process.running or time.monotonic() > give_up_s:
            raise VehicleError(f'the node did not start: {process.last_words()}')
    for name in ('configure', 'activate'):
        request = ChangeState.Request()
        request.transition = Transition(id=getattr(Transition, f'TRANSITION_{name.upper()}'))
        answer = change.call_async(request)
        give_up_s = time.monotonic() + timeout_s
        while not answer.done() and time.monotonic() < give_up_s:
            rclpy.spin_once(observer, timeout_sec=0.2)  # in between a Ctrl-C is heard
        if not answer.done() or not answer.result().success:
            raise VehicleError(f'the node refused to {name}: {process.last_words()}')
    observer.destroy_client(change)


def _another_answers(observer: Node, process: ChildProcess) -> bool:
    """Whether a node of that name is there before ours can be, which first imports torch."""
    until_s = time.monotonic() + 1.0
    while time.monotonic() < until_s and not process.said(READY):
        if observer.count_services(CHANGE_STATE):
            return True
        time.sleep(0.05)
    return False


def _require_alone(observer: Node) -> None:
    """Refuse a graph whose other node of the same name would answer for ours, unless it goes."""
    both_seen = False
    give_up_s = time.monotonic() + _FORGOTTEN_S
    while time.monotonic() < give_up_s:
        count = observer.count_services(CHANGE_STATE)
        if count == 0 or (both_seen and count == 1):
            return
        both_seen = both_seen or count > 1
        time.sleep(0.1)
    raise VehicleError(
        f'another {NODE} runs in this ROS domain and would answer for ours; stop it, or set '
        'ROS_DOMAIN_ID to a number of its own'
    )


def wait_until(condition: Any, timeout_s: float, what: str) -> None:
    """Poll `condition()` until it holds; VehicleError names `what` that did not come."""
    give_up_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > give_up_s:
            raise VehicleError(f'{what} did not come within {timeout_s:g} s')
        time.sleep(0.05)
