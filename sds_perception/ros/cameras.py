"""One camera of the node: its subscriptions, what is wrong with them, and its newest frame."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from sds_perception.ros.health import CameraHealth, Surroundings
from sds_perception.ros.messages import stamp_s
from sds_perception.ros.node_config import NodeConfig
from sds_perception.ros.qos import NO_EVENTS, newest_frame
from sds_perception.ros.scheduler import RateCap

BEST_EFFORT = ReliabilityPolicy.BEST_EFFORT
LATE_S = 0.5  # a stamp older than its predecessor by less is a straggler, by more a new start

HOW_TO_HEAR = {
    'CompressedImage': ': set image_transport to compressed and leave /compressed off the topic',
    'Image': ': set image_transport to raw',
}


@dataclass(frozen=True)
class Arrival:
    """A frame as it came, and when."""

    message: Image | CompressedImage
    arrived_s: float  # monotonic
    epoch: int  # how often the stamps had jumped back


class CameraInput:
    """Subscribes to one camera while open and offers its newest frame to the pipeline."""

    def __init__(
        self,
        node: LifecycleNode,
        name: str,
        offer: Callable[[Arrival], bool],
        config: Callable[[], NodeConfig],
        *,
        wanted: Callable[[], bool],
    ) -> None:
        self.name, self.info, self.health = name, None, CameraHealth(name or 'camera')
        self.lens_fault = ''  # why the CameraInfo does not serve the newest frame, as a sentence
        self._node, self._offer, self._config = node, offer, config
        self._wanted, self._epoch = wanted, 0
        prefix = f'{name}/' if name else ''
        self.info_topic = node.resolve_topic_name(f'{prefix}camera_info')
        compressed = config().image_transport == 'compressed'
        self._kind = CompressedImage if compressed else Image
        base = node.resolve_topic_name(f'{prefix}image')
        self.topic = f'{base}/compressed' if compressed else base
        self._images: Any = None
        self._infos: Any = None
        self._frame_id = ''
        self._last_stamp_s = 0.0
        self._rate_cap = RateCap()

    info: CameraInfo | None
    """The newest CameraInfo, as it came."""

    def open(self) -> None:
        """Subscribe, asking what the publisher that is there offers."""
        self._images = self._subscribe(self._kind, self.topic, self._on_image)
        self._infos = self._subscribe(CameraInfo, self.info_topic, self._on_info)
        self.health.opened()
        self.look_around()

    def close(self) -> None:
        """Withdraw the subscriptions and forget what they brought."""
        for subscription in (self._images, self._infos):
            if subscription is not None:
                self._node.destroy_subscription(subscription)
        self._images = self._infos = self.info = None
        self._last_stamp_s, self._frame_id, self.lens_fault = 0.0, '', ''

    def look_around(self) -> None:
        """Renew what diagnostics know, and subscribe anew where the publisher offers other QoS."""
        if self._images is None:
            return
        self._images = self._matching(self._images, self._kind, self.topic, self._on_image)
        self._infos = self._matching(self._infos, CameraInfo, self.info_topic, self._on_info)
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        self.health.around = Surroundings(
            topic=self.topic,
            publishers=len(publishers),
            foreign_type=self._foreign_type({each.topic_type for each in publishers}),
            incompatible_qos=self._incompatible(),
            camera_fault=self._camera_fault(),
            clock_stopped=self._clock_stopped(),
            wanted=self._wanted() or self._config().always_run,
        )

    def _foreign_type(self, types: set[str]) -> str:
        """What is on the topic where it is nothing we can hear, and what to do, or ''."""
        names = sorted(each.rsplit('/', 1)[-1] for each in types)
        if not names or self._kind.__name__ in names:
            return ''
        said = f'{self.topic} carries {", ".join(names)}, wanted {self._kind.__name__}'
        return said + HOW_TO_HEAR.get(names[0], '')

    def _offered(self, topic: str) -> list[ReliabilityPolicy]:
        """The reliability of each publisher on `topic`."""
        publishers = self._node.get_publishers_info_by_topic(topic)
        return [each.qos_profile.reliability for each in publishers]

    def _subscribe(self, kind: type, topic: str, callback: Callable[[Any], None]) -> Any:
        qos = newest_frame(self._config().qos_reliability, self._offered(topic))
        return self._node.create_subscription(
            kind, topic, callback, qos, event_callbacks=NO_EVENTS
        )

    def _matching(self, present: Any, kind: type, topic: str, callback: Any) -> Any:
        """The present subscription, or a new one if its publishers call for other QoS.

        A best-effort one hears every publisher and stays: frames get lost while subscribing anew.
        """
        offered = self._offered(topic)
        wanted = newest_frame(self._config().qos_reliability, offered).reliability
        if not offered or present.qos_profile.reliability in (wanted, BEST_EFFORT):
            return present
        self._node.get_logger().info(f'{topic} is {wanted.name.lower()}: subscribing anew')
        self._node.destroy_subscription(present)
        return self._subscribe(kind, topic, callback)

    def _incompatible(self) -> str:
        """The policy that keeps every publisher of the images from reaching us, or ''."""
        asked, offered = self._images.qos_profile.reliability, self._offered(self.topic)
        unheard = asked == ReliabilityPolicy.RELIABLE and asked not in offered
        return 'reliability' if offered and unheard else ''

    def _on_info(self, message: CameraInfo) -> None:
        self.info = message

    def _on_image(self, message: Image | CompressedImage) -> None:
        """Take note of the frame and hand it on unless it is not needed."""
        self.health.arrived()
        self._frame_id = message.header.frame_id
        if not self._in_order(stamp_s(message.header)):
            return self.health.count('out of order')
        config = self._config()
        if not (config.always_run or self._wanted()):
            return self.health.count('nobody subscribed')
        now_s = self._node.get_clock().now().nanoseconds * 1e-9
        if not self._rate_cap.admits(now_s, config.max_rate_hz):
            return self.health.count('over max_rate_hz')
        if self._offer(Arrival(message, time.monotonic(), self._epoch)):
            self.health.count('dropped')

    def _in_order(self, stamp: float) -> bool:
        """False for a straggler; a real jump back starts everything anew."""
        behind_s = self._last_stamp_s - stamp
        if stamp > 0 and 0 < behind_s < LATE_S:
            return False
        if stamp > 0 and behind_s > 0:
            self.health.count('stamps jumped back')
            self.health.forget_latency()
            self._rate_cap = RateCap()
            self._epoch += 1
        self._last_stamp_s = stamp
        return True

    def _camera_fault(self) -> str:
        """What is wrong with the CameraInfo, and what that costs, or ''."""
        if useless := self._useless_info():
            return (
                f'{useless}: no cloud, no camera_info, and depth_relative in place of depth '
                'unless fixed_scale makes the metres'
            )
        info_frame = self.info.header.frame_id
        if self._frame_id and info_frame != self._frame_id:
            return f'frame ids differ: image {self._frame_id!r}, camera_info {info_frame!r}'
        return ''

    def _useless_info(self) -> str:
        if self.info is None:
            return f'no CameraInfo on {self.info_topic}'
        if not self.info.k[0] > 0:
            return f'uncalibrated CameraInfo on {self.info_topic}, K[0] is {self.info.k[0]:g}'
        return self.lens_fault and f'{self.lens_fault} ({self.info_topic})'

    def _clock_stopped(self) -> bool:
        sim = self._node.get_parameter('use_sim_time').value
        return bool(sim) and self._node.get_clock().now().nanoseconds == 0
