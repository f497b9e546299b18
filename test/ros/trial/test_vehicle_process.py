from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip('rclpy')

import rclpy
from rclpy.node import Node

from sds_perception.ros.trial import vehicle_process
from sds_perception.ros.trial.vehicle_process import (
    ChildProcess,
    VehicleError,
    active_node,
)

pytestmark = [pytest.mark.ros, pytest.mark.usefixtures('own_domain')]  # of the children, too


@pytest.fixture
def observer(own_domain: None) -> Iterator[Node]:
    rclpy.init()
    node = Node('observer')
    yield node
    node.destroy_node()
    rclpy.shutdown()


def test_a_second_interrupt_leaves_no_child_behind(tmp_path: Path, monkeypatch) -> None:
    child = ChildProcess('sds_perception.ros.bags.record', [str(tmp_path / 'b')], tmp_path / 'log')

    def interrupted(seconds: float) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), child:
        monkeypatch.setattr(child, 'wait', interrupted)
    assert not child.running


def test_another_node_of_the_same_name_is_named_and_not_configured(
    tmp_path: Path, tiny_release: Path, observer: Node, monkeypatch
) -> None:
    parameters = {'release': str(tiny_release), 'device': 'cpu'}
    monkeypatch.setattr(vehicle_process, '_FORGOTTEN_S', 1.0)
    with (
        active_node(observer, parameters, {}, tmp_path / 'first.log') as first,
        pytest.raises(VehicleError, match='another /sds_perception runs in this ROS'),
        active_node(observer, parameters, {}, tmp_path / 'second.log'),
    ):
        pytest.fail('the second is active')
    assert not first.running and not (tmp_path / 'second.log').exists()
