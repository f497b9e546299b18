"""The real node in a process of its own, as on a vehicle, for the demo, benchmarks and tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.node import Node

from sds_perception.ros.shipped import prepare_transport

NODE = '/sds_perception'
CHANGE_STATE = f'{NODE}/change_state'
_STOP_S = 30.0  # a node may have a network call to finish and a report to write
_LOOK_S = 1.0  # the graph is known to a new observer within
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


@contextmanager
def active_node(
    observer: Node, parameters: Mapping[str, Any], remaps: Mapping[str, str], log: Path
) -> Iterator[ChildProcess]:
    """The perception node with these parameters, configured and active; `log` gets what it says.

    Its services and topics are found by its name, so first nobody else may have that, and then
    whoever answers is ours.

    Raises:
        VehicleError: another node has its name, or it did not start or refused; with the reason.
    """
    _require_alone(observer)
    arguments = ['--ros-args']
    for name, value in parameters.items():
        # JSON is YAML, and says 'text' from number the way rcl reads it.
        arguments += ['-p', f'{name}:={json.dumps(value)}']
    for name, target in remaps.items():
        arguments += ['-r', f'{name}:={target}']
    with ChildProcess('sds_perception.ros.node', arguments, log) as process:
        _bring_up(observer, process)
        yield process


def _require_alone(observer: Node) -> None:
    """Refuse a graph that has such a node, unless it is one that was killed and is forgotten."""
    began_s = time.monotonic()
    while (seen := observer.count_services(CHANGE_STATE)) or time.monotonic() < began_s + _LOOK_S:
        if seen and time.monotonic() > began_s + _FORGOTTEN_S:
            raise VehicleError(
                f'another {NODE} runs in this ROS domain and would answer for ours; stop it, or '
                'set ROS_DOMAIN_ID to a number of its own'
            )
        time.sleep(0.05)


def _bring_up(observer: Node, process: ChildProcess, timeout_s: float = 120.0) -> None:
    """Configure and activate the node of `process`, or raise VehicleError with its reason."""
    change = observer.create_client(ChangeState, CHANGE_STATE)
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
        if not answer.done():
            raise VehicleError(f'the node did not {name} within {timeout_s:g} s')
        if not answer.result().success:
            raise VehicleError(f'the node refused to {name}: {process.last_words()}')
    observer.destroy_client(change)


def wait_until(condition: Any, timeout_s: float, what: str) -> None:
    """Poll `condition()` until it holds; VehicleError names `what` that did not come."""
    give_up_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > give_up_s:
            raise VehicleError(f'{what} did not come within {timeout_s:g} s')
        time.sleep(0.05)
