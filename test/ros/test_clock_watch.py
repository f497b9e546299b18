"""Laws of the watch on simulated time."""

from __future__ import annotations

import time

import pytest

rclpy = pytest.importorskip('rclpy')

from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.time import Time  # noqa: E402

from sds_perception.ros.clock_watch import ClockWatch  # noqa: E402
from sds_perception.ros.health import PATIENCE_S  # noqa: E402

pytestmark = pytest.mark.ros


@pytest.mark.parametrize('simulated', [True, False])
def test_a_clock_that_never_began_or_stopped_is_told_and_one_that_runs_is_not(
    graph, monkeypatch, simulated: bool
) -> None:
    sim = [Parameter('use_sim_time', value=simulated)]
    node: Node = rclpy.create_node('watched', context=graph.context, parameter_overrides=sim)
    now_s, clock = [100.0], node.get_clock()
    monkeypatch.setattr(time, 'monotonic', lambda: now_s[0])
    watch = ClockWatch(node)
    assert watch.stopped() is simulated  # no /clock yet
    if simulated:
        clock.set_ros_time_override(Time(seconds=5, clock_type=clock.clock_type))
    assert not watch.stopped()
    now_s[0] += PATIENCE_S + 1
    assert watch.stopped() is simulated
    if simulated:
        clock.set_ros_time_override(Time(seconds=6, clock_type=clock.clock_type))
    assert not watch.stopped()
    node.destroy_node()
