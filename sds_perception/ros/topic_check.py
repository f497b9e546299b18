"""Is there a camera? Publishers, quality of service, and one picture with its CameraInfo."""

from __future__ import annotations

import time
from typing import Any

import rclpy
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from sds_perception.calibration import camera_from_info
from sds_perception.camera import CameraError
from sds_perception.ros.bag_topics import matching_qos
from sds_perception.ros.findings import Finding, fault
from sds_perception.ros.messages import rgb_from_message
from sds_perception.ros.tool_node import BadTopic, full_name, tool_node

PROFILE_HINT = (
    'if the pictures are large, start the camera with FASTDDS_DEFAULT_PROFILES_FILE and '
    'FASTRTPS_DEFAULT_PROFILES_FILE set to the fastdds.xml of this package'
)


def check_topics(image_topic: str, info_topic: str, timeout_s: float) -> list[Finding]:
    """Wait up to `timeout_s` for a picture and its CameraInfo and look at both."""
    with tool_node('sds_doctor', ['doctor']) as node:
        try:
            images, infos = _Heard(node, image_topic), _Heard(node, info_topic)
        except BadTopic as problem:
            return [fault('topics', str(problem))]
        give_up_s = time.monotonic() + timeout_s
        while time.monotonic() < give_up_s and not (images.message and infos.message):
            images.look(), infos.look()
            rclpy.spin_once(node, timeout_sec=0.1)
        kinds = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
        found = [images.verdict(kinds), infos.verdict(('sensor_msgs/msg/CameraInfo',))]
        if images.message is not None and not found[0].fault:
            found += _picture(images.message, infos.message)
        return found


class _Heard:
    """One topic: its publishers, and the first message that came."""

    def __init__(self, node: Node, topic: str) -> None:
        self.topic, self.message = full_name(node, topic), None
        self._node, self._subscription = node, None
        self._offers: list[Any] = []

    def look(self) -> None:
        """Subscribe as soon as there is a publisher, the way it offers."""
        self._offers = self._node.get_publishers_info_by_topic(self.topic)
        known = {'Image': Image, 'CompressedImage': CompressedImage, 'CameraInfo': CameraInfo}
        kind = known.get(self._offers[0].topic_type.rsplit('/', 1)[-1]) if self._offers else None
        if kind is not None and self._subscription is None:
            qos = matching_qos([each.qos_profile for each in self._offers], depth=1)
            self._subscription = self._node.create_subscription(kind, self.topic, self._keep, qos)

    def _keep(self, message: Any) -> None:
        self.message = message

    def verdict(self, wanted: tuple[str, ...]) -> Finding:
        """Whether the topic is alive and of one of the types `wanted`."""
        if not self._offers:
            return fault('topics', f'nobody publishes {self.topic}{self._others(wanted)}')
        offer = self._offers[0]
        if offer.topic_type not in wanted:
            return fault('topics', f'{self.topic} is {offer.topic_type}, wanted {wanted[0]}')
        reliability = offer.qos_profile.reliability.name.lower().replace('_', ' ')
        who = f'{self.topic} ({reliability}, from {offer.node_name})'
        if self.message is None:
            return fault('topics', f'{who} is offered but no message came; {PROFILE_HINT}')
        return Finding('topics', f'{who} arrives')

    def _others(self, wanted: tuple[str, ...]) -> str:
        topics = self._node.get_topic_names_and_types()
        same = [topic for topic, kinds in topics if set(kinds) & set(wanted)]
        return f'; of that type there is {", ".join(sorted(same))}' if same else ''


def _picture(message: Any, info: CameraInfo | None) -> list[Finding]:
    """Can the node read this picture, and does the CameraInfo belong to it?"""
    try:
        rgb = rgb_from_message(message)
    except Exception as problem:  # cv_bridge raises what it likes
        return [fault('picture', f'the node cannot read it: {problem}')]
    height, width = rgb.shape[:2]
    how = getattr(message, 'encoding', None) or message.format
    found = [Finding('picture', f'{width}x{height} {how}')]
    return found + (_camera(message, info, width, height) if info is not None else [])


def _camera(message: Any, info: CameraInfo, width: int, height: int) -> list[Finding]:
    try:
        camera = camera_from_info(info, width, height)
    except CameraError as problem:
        return [fault('camera', str(problem))]
    seen, said = message.header.frame_id, info.header.frame_id
    if seen != said:
        return [fault('camera', f'the picture is in frame {seen!r}, its CameraInfo in {said!r}')]
    return [Finding('camera', f'fx {camera.fx:.1f} px, frame {seen!r}')]
