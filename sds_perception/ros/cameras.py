"""One camera of the node: what is heard of it, what is wrong with that, and its newest frame."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from sds_perception.calibration import bends
from sds_perception.metric_scale import LATE_S
from sds_perception.ros.clock_watch import ClockWatch
from sds_perception.ros.health import CameraHealth, Fate, Surroundings
from sds_perception.ros.messages import stamp_s
from sds_perception.ros.node_config import NodeConfig
from sds_perception.ros.qos import newest_frame, newest_info
from sds_perception.ros.scheduler import RateCap
from sds_perception.ros.subscription import MatchedSubscription

HOW_TO_HEAR = {
    'CompressedImage': ': set image_transport to compressed and leave /compressed off the topic',
    'Image': ': set image_transport to raw',
}
BENT = (
    'the lens bends (a fisheye, or D is not 0): cloud and metres are off at the sides; set lens '
    'to rectify, or rectified for image_rect'
)


@dataclass(frozen=True)
class Arrival:
    """A frame as it came, and when."""

    message: Image | CompressedImage
    arrived_s: float  # monotonic
    info: CameraInfo | None  # the newest by then
    epoch: int  # how often the stamps had jumped back, or the camera was closed


class CameraInput:
    """Subscribes to one camera while open and offers its newest frame to the pipeline."""

    info: CameraInfo | None
    """The newest CameraInfo, as it came."""

    def __init__(
        self,
        node: LifecycleNode,
        name: str,
        config: Callable[[], NodeConfig],
        *,
        wanted: Callable[[], bool],
    ) -> None:
        self.name, self.info, self.health = name, None, CameraHealth(name or 'camera')
        self._node, self._config, self._wanted = node, config, wanted
        prefix = f'{name}/' if name else ''
        compressed = config().image_transport == 'compressed'
        self._kind = CompressedImage if compressed else Image
        image = f'{prefix}image'
        if compressed:  # follows a remap of the base
            image = f'{node.resolve_topic_name(image)}/compressed'
        self._images = MatchedSubscription(node, self._kind, image, self._on_image, self._request)
        self._infos = MatchedSubscription(
            node, CameraInfo, f'{prefix}camera_info', self._on_info, newest_info
        )
        self.topic, self.info_topic = self._images.topic, self._infos.topic
        self._offer: Callable[[Arrival], bool] = lambda _: False
        self._frame_id: str | None = None  # of the newest frame
        self._last_stamp_s, self._epoch = 0.0, 0
        self._rate_cap, self._clock = RateCap(), ClockWatch(node)

    def open(self, offer: Callable[[Arrival], bool]) -> None:
        """Subscribe; `offer` takes each frame, and is True where it took another one's place."""
        self._offer = offer
        self.health.opened()
        self._infos.open()  # first: of messages that wait together rclpy takes those of the elder
        self._images.open()
        self.look_around()

    def close(self) -> None:
        """Withdraw the subscriptions and forget what they brought."""
        self._images.close()
        self._infos.close()
        self._last_stamp_s, self._frame_id, self.info = 0.0, None, None
        self._epoch += 1  # what comes after is another stream

    def publishers(self) -> list[TopicEndpointInfo]:
        """Who publishes the pictures."""
        return self._images.publishers()

    def look_around(self) -> None:
        """Renew what diagnostics know, and subscribe anew where the publisher offers other QoS."""
        if not self._infos.is_open:
            return
        publishers = self.publishers()
        if publishers and not self.health.around.publishers:
            self.health.appeared()
        self._infos.follow(may_lose=True)  # the next will do as well, and a latched one comes
        self._images.follow(may_lose=self.health.last_arrival_s is None)
        self.health.around = Surroundings(
            topic=self.topic,
            publishers=len(publishers),
            foreign_type=self._foreign_type({each.topic_type for each in publishers}),
            incompatible_qos=self._incompatible(),
            camera_fault=self._camera_fault(),
            clock_stopped=self._clock.stopped(),
            max_age_s=self._config().max_age_s,
            wanted=self._wanted() or self._config().always_run,
        )

    def _request(self, offers: Sequence[QoSProfile]) -> QoSProfile:
        offered = [each.reliability for each in offers]
        return newest_frame(self._config().qos_reliability, offered)

    def _foreign_type(self, types: set[str]) -> str:
        """What is on the topic where it is nothing we can hear, and what to do, or ''."""
        names = sorted(each.rsplit('/', 1)[-1] for each in types)
        if not names or self._kind.__name__ in names:
            return ''
        said = f'{self.topic} carries {", ".join(names)}, wanted {self._kind.__name__}'
        return said + HOW_TO_HEAR.get(names[0], '')

    def _incompatible(self) -> str:
        """The policy that keeps every publisher of the images from reaching us, or ''."""
        asked = self._images.reliability
        offered = [each.reliability for each in self._images.offers()]
        unheard = asked == ReliabilityPolicy.RELIABLE and asked not in offered
        return 'reliability' if offered and unheard else ''

    def _on_info(self, message: CameraInfo) -> None:
        self.info = message

    def _on_image(self, message: Image | CompressedImage) -> None:
        """Take note of the frame and hand it on unless it is not needed."""
        if self.health.last_arrival_s is None:  # a camera that began after us: now it is known,
            self._images.follow(may_lose=True)  # and there is time until its second frame
        self.health.arrived()
        self._frame_id = message.header.frame_id
        if not self._in_order(stamp_s(message.header)):
            return self.health.count(Fate.OUT_OF_ORDER)
        config = self._config()
        if not (config.always_run or self._wanted()):
            return self.health.count(Fate.NOT_WANTED)
        now_s = self._node.get_clock().now().nanoseconds * 1e-9
        if not self._rate_cap.admits(now_s, config.max_rate_hz):
            return self.health.count(Fate.OVER_RATE)
        if self._offer(Arrival(message, time.monotonic(), self.info, self._epoch)):
            self.health.count(Fate.DROPPED)

    def _in_order(self, stamp: float) -> bool:
        """False for a straggler; a real jump back starts everything anew."""
        behind_s = self._last_stamp_s - stamp
        if stamp > 0 and 0 < behind_s < LATE_S:
            return False
        if stamp > 0 and behind_s > 0:
            self.health.count(Fate.JUMPED_BACK)
            self.health.forget_latency()
            self._rate_cap = RateCap()
            self._epoch += 1
        self._last_stamp_s = stamp
        return True

    def _camera_fault(self) -> str:
        """What is wrong with the CameraInfo or the frame id, and what that costs, or ''."""
        info = self.info
        useless = self._useless(info) if info else f'no CameraInfo on {self.info_topic}'
        if useless or info is None:
            return (
                f'{useless}: no cloud, no camera_info, and depth_relative in place of depth '
                'unless fixed_scale makes the metres'
            )
        if self._frame_id == '':
            return (
                f"frame_id is '' on {self.topic}, wanted a name: nobody can place cloud or depth"
            )
        if self._frame_id and info.header.frame_id != self._frame_id:
            said = info.header.frame_id
            return f'frame ids differ: image {self._frame_id!r}, camera_info {said!r}'
        return BENT if self._config().lens == 'raw' and bends(info) else ''

    def _useless(self, info: CameraInfo) -> str:
        """Why nothing can be made of `info`, or ''."""
        name, focal = 'K[0]', info.k[0]
        if self._config().lens == 'rectified':  # whose camera is P (calibration.py)
            name, focal = 'P[0]', info.p[0]
        if not focal > 0:
            return f'uncalibrated CameraInfo on {self.info_topic}, {name} is {focal:g}'
        fault = self.health.lens_fault
        return fault and f'{fault} ({self.info_topic})'
