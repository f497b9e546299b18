"""What the node publishes and logs of its health, and what it keeps to itself."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from typing import Any
from unittest.mock import Mock

import pytest
from rclpy.time import Time

from sds_perception.ros.diagnostics import Diagnostics
from sds_perception.ros.health import CameraHealth, Level, Surroundings


@pytest.fixture
def node() -> Mock:
    """As much of a node as diagnostics need, its publishers by topic."""
    node = Mock(told=defaultdict(Mock))
    node.create_publisher = lambda kind, topic, qos: node.told[topic]
    node.get_fully_qualified_name.return_value = '/sds_perception'
    node.get_clock.return_value.now.return_value = Time(seconds=7)
    return node


def published(node: Mock) -> tuple[Any, dict[str, Any]]:
    """The newest message for machines, and the newest line for people."""
    array, line = (
        node.told[name].publish.call_args[0][0] for name in ('/diagnostics', '~/status')
    )
    return array, json.loads(line.data)


def camera(since_s: float = 10.0) -> CameraHealth:
    """A camera without a publisher; none is missed yet where it is listened to for a moment."""
    opened_s = time.monotonic() - since_s
    return CameraHealth('front', around=Surroundings('/image', publishers=1), opened_s=opened_s)


def test_health_is_stamped_by_the_clock_of_the_node(node: Mock) -> None:
    Diagnostics(node).publish('active', [], None)
    assert published(node)[0].header.stamp.sec == 7


def test_the_line_for_people_has_the_level_of_the_worst(node: Mock) -> None:
    Diagnostics(node).publish('active', [camera(0.0), camera()], None)
    array, line = published(node)
    assert [each.level for each in array.status] == [b'\x00', b'\x00', b'\x02']
    assert (line['level'], line['message']) == ('ERROR', 'active')


def test_what_keeps_the_node_from_its_cameras_is_told_and_nothing_of_them(node: Mock) -> None:
    Diagnostics(node).publish('inactive', [camera()], (Level.ERROR, 'cannot configure'))
    array, line = published(node)
    assert [each.message for each in array.status] == ['cannot configure']
    assert line['cameras'] == {}


def test_what_an_operator_has_to_know_is_a_warning_beside_the_facts(node: Mock) -> None:
    diagnostics = Diagnostics(node)
    diagnostics.caution, diagnostics.about = 'another engine runs', {'device': 'cpu'}
    diagnostics.publish('active', [], None)
    (status,) = published(node)[0].status
    assert (status.level, status.message) == (b'\x01', 'another engine runs')
    assert {each.key: each.value for each in status.values} == {'state': 'active', 'device': 'cpu'}


def test_a_camera_is_logged_when_its_level_changes_and_not_while_it_is_well(node: Mock) -> None:
    diagnostics, front, logger = Diagnostics(node), camera(0.0), node.get_logger()
    for _ in range(2):
        diagnostics.publish('active', [front], None)
    assert not logger.method_calls
    front.opened_s -= 10.0
    for _ in range(2):
        diagnostics.publish('active', [front], None)
    front.opened()
    diagnostics.publish('active', [front], None)
    assert [name for name, *_ in logger.method_calls] == ['error', 'info']
