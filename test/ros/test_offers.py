"""The node asks for what its publishers offer, whoever was there first."""

from __future__ import annotations

import time

import pytest
from node_graph import Graph, camera_info, image, until
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from sds_perception.ros.qos import LATCHED, newest_info


def test_where_nobody_publishes_camera_info_yet_it_is_asked_for_as_anybody_may_offer_it() -> None:
    asked = newest_info([])
    assert asked.reliability == ReliabilityPolicy.BEST_EFFORT
    assert asked.durability == DurabilityPolicy.VOLATILE


@pytest.mark.parametrize('first', ['camera', 'node'])
def test_a_latched_camera_info_that_is_published_once_is_heard_after_each_activation(
    graph: Graph, first: str
) -> None:
    node = graph.active() if first == 'node' else None
    graph.observer.create_publisher(CameraInfo, '/camera_info', LATCHED).publish(camera_info())
    node = node or graph.active()
    for _ in range(2):
        until(lambda: node.camera().info, 'the camera_info arrived')
        node.trigger_deactivate()
        assert node.camera().info is None
        node.trigger_activate()


def test_a_camera_info_that_is_no_longer_latched_is_still_heard(graph: Graph) -> None:
    latched = graph.observer.create_publisher(CameraInfo, '/camera_info', LATCHED)
    node = graph.active()
    latched.publish(camera_info())
    until(lambda: node.camera().info, 'the latched camera_info arrived')
    volatile = graph.observer.create_publisher(CameraInfo, '/camera_info', QoSProfile(depth=1))

    def heard() -> bool:
        volatile.publish(camera_info(80, 60))
        time.sleep(0.02)
        return node.camera().info.width == 80

    until(heard, 'the other camera_info arrived')


def test_a_reliable_camera_is_asked_to_be_reliable_from_its_first_frame_on(graph: Graph) -> None:
    graph.active(diagnostics_period_s=60.0)  # nothing else makes the node look around
    camera = graph.observer.create_publisher(Image, '/image', QoSProfile(depth=1))
    until(camera.get_subscription_count, 'the node listens')

    def reliably() -> bool:
        camera.publish(image())
        time.sleep(0.02)
        asked = graph.observer.get_subscriptions_info_by_topic('/image')
        return [each.qos_profile.reliability for each in asked] == [ReliabilityPolicy.RELIABLE]

    until(reliably, 'the node asked for reliable frames')
