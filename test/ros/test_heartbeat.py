"""What beats beside the executor, and why the executor has one thread."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import rclpy
from node_graph import until
from rclpy import executors
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rosgraph_msgs.msg import Clock as ClockMessage

from sds_perception.ros.heartbeat import Heartbeat
from sds_perception.ros.node import NodeExecutor


def test_it_beats_until_it_is_stopped() -> None:
    beats: list[float] = []
    heart = Heartbeat(lambda: beats.append(time.monotonic()), lambda: 0.01)
    until(lambda: len(beats) >= 3, 'the heart beats')
    heart.stop()
    heart.stop()
    count = len(beats)
    time.sleep(0.05)
    assert len(beats) == count


def test_a_beat_that_fails_is_followed_by_the_next() -> None:
    beats: list[int] = []

    def beat() -> None:
        beats.append(len(beats))
        if len(beats) == 1:
            raise RuntimeError('once')

    heart = Heartbeat(beat, lambda: 0.01)
    until(lambda: len(beats) >= 3, 'the heart beats on')
    heart.stop()


def test_a_beat_may_stop_it(caplog: pytest.LogCaptureFixture) -> None:
    hearts: list[Heartbeat] = []
    hearts.append(Heartbeat(lambda: hearts[0].stop(), lambda: 0.01))
    hearts[0]._thread.join(5)
    assert not hearts[0]._thread.is_alive()
    assert not caplog.messages


def test_a_message_that_waits_to_be_taken_does_not_keep_the_executor_turning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turns = 0
    real = executors._rclpy.WaitSet

    def counted(*arguments: Any) -> Any:
        nonlocal turns
        turns += 1
        return real(*arguments)

    context, ticks = rclpy.Context(), 50
    rclpy.init(context=context)
    sim_time = rclpy.Parameter('use_sim_time', value=True)
    node = rclpy.create_node('timed', context=context, parameter_overrides=[sim_time])
    clock = rclpy.create_node('clock', context=context).create_publisher(ClockMessage, '/clock', 1)
    apart, steady = ReentrantCallbackGroup(), Clock(clock_type=ClockType.STEADY_TIME)
    for _ in range(4):  # callbacks that take their time, as publishing to many readers may
        node.create_timer(0.1, lambda: time.sleep(0.09), apart, clock=steady)
    executor = NodeExecutor(context=context)
    executor.add_node(node)
    monkeypatch.setattr(executors._rclpy, 'WaitSet', counted)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    until(clock.get_subscription_count, 'the node hears the clock')
    for _ in range(ticks):
        clock.publish(ClockMessage())
        time.sleep(0.01)
    executor.shutdown()
    thread.join()
    rclpy.shutdown(context=context)
    assert turns < 5 * ticks
