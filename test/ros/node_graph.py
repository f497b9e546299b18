"""A real ROS graph in this process: the node under test, an observer, and Fast DDS between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from rclpy.executors import MultiThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String

from sds_perception.ros.node import PerceptionNode
from sds_perception.ros.qos import LATCHED, OUTPUT


def image(
    width: int = 64, height: int = 48, *, stamp: tuple[int, int] | None = None, frame: str = 'cam'
) -> Image:
    """A random bgr8 picture; its seed is the stamp it is given, else it is taken now."""
    message = Image(height=height, width=width, step=width * 3, encoding='bgr8')
    now = divmod(time.time_ns(), 1_000_000_000)
    message.header.stamp.sec, message.header.stamp.nanosec = stamp or now
    message.header.frame_id = frame
    pixels = np.random.default_rng(stamp or 0).integers(0, 255, height * width * 3, np.uint8)
    message.data.frombytes(pixels.data)
    return message


def camera_info(width: int = 64, height: int = 48, *, frame: str = 'cam') -> CameraInfo:
    """A centred pinhole with a focal length of one picture width."""
    info = CameraInfo(width=width, height=height, distortion_model='plumb_bob')
    info.header.frame_id = frame
    u, v = (width - 1) / 2, (height - 1) / 2
    info.k = [float(width), 0.0, u, 0.0, float(width), v, 0.0, 0.0, 1.0]
    info.d = [0.0] * 5
    info.r = np.eye(3).ravel()
    info.p = [float(width), 0.0, u, 0.0, 0.0, float(width), v, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


class Graph:
    """The node under test and an observer, spun by one executor on a thread."""

    def __init__(self, release: Path) -> None:
        self._release = release
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.executor = MultiThreadedExecutor(num_threads=3, context=self.context)
        self.observer = rclpy.create_node('observer', context=self.context)
        self.executor.add_node(self.observer)
        self.nodes: list[PerceptionNode] = []
        self._spinner = threading.Thread(target=self.executor.spin, daemon=True)
        self._spinner.start()

    def node(self, **parameters: Any) -> PerceptionNode:
        """A node with the tiny release on the CPU and a quick heart, not yet configured."""
        told = {'release': str(self._release), 'device': 'cpu', 'diagnostics_period_s': 0.1}
        overrides = [Parameter(name, value=value) for name, value in (told | parameters).items()]
        node = PerceptionNode(context=self.context, parameter_overrides=overrides)
        self.nodes.append(node)
        self.executor.add_node(node)
        return node

    def active(self, **parameters: Any) -> PerceptionNode:
        """A node that is configured and active."""
        node = self.node(**parameters)
        node.trigger_configure()
        node.trigger_activate()
        return node

    def collect(self, topic: str, kind: type = Image, qos: QoSProfile = OUTPUT) -> list[Any]:
        """The messages that arrive on a topic of the node under test, as they arrive."""
        received: list[Any] = []
        name = topic if topic.startswith('/') else f'/sds_perception/{topic}'
        self.observer.create_subscription(kind, name, received.append, qos)
        for node in self.nodes:
            for publisher in list(node.publishers):
                if publisher.topic_name == name:
                    until(publisher.get_subscription_count, f'the node saw us listen to {name}')
        return received

    def statuses(self) -> list[str]:
        """~/status as it arrives, one JSON string each."""
        lines: list[str] = []
        self.observer.create_subscription(
            String, '/sds_perception/status', lambda message: lines.append(message.data), LATCHED
        )
        return lines

    def publisher(
        self,
        topic: str = '/image',
        kind: type = Image,
        reliability: ReliabilityPolicy = ReliabilityPolicy.RELIABLE,
    ) -> Any:
        """A publisher of the observer that the node under test already listens to as it wants."""
        qos = QoSProfile(depth=5, reliability=reliability)
        publisher = self.observer.create_publisher(kind, topic, qos)

        def settled() -> bool:  # a node that was there first asks anew for what we offer
            asked = self.observer.get_subscriptions_info_by_topic(topic)
            alike = [each.qos_profile.reliability == reliability for each in asked]
            return alike == [True] and publisher.get_subscription_count() == 1

        until(settled, f'the node listens to {topic}')
        return publisher

    def close(self) -> None:
        """End everything."""
        self.executor.shutdown()
        for node in (*self.nodes, self.observer):
            node.destroy_node()
        rclpy.shutdown(context=self.context)
        self._spinner.join()


def until(condition: Callable[[], Any], what: str, timeout_s: float = 60.0) -> Any:
    """Wait until the condition holds and return its value; fail with `what` otherwise."""
    end_s = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > end_s:
            pytest.fail(f'waited {timeout_s} s in vain until {what}')
        time.sleep(0.005)
    return value


def counts(node: PerceptionNode, camera: str = '') -> dict[str, int]:
    """What the node counted for one camera."""
    return dict(node.health(camera).counts)
