"""Are the cameras there? Heard and judged by the node's own parts, for as long as it takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.logging import LoggingSeverity
from rclpy.node import Node

from sds_perception.calibration import CalibrationReader
from sds_perception.camera import CameraError
from sds_perception.ego_hood import MaskError
from sds_perception.ros.cameras import BENT, Arrival, CameraInput
from sds_perception.ros.diagnosis import diagnose, wrong_time
from sds_perception.ros.doctor.findings import Finding, fault
from sds_perception.ros.finish import Finisher
from sds_perception.ros.health import Level
from sds_perception.ros.messages import rgb_from_message, stamp_s
from sds_perception.ros.node_config import NodeConfig

PICTURES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
INFOS = ('sensor_msgs/msg/CameraInfo',)


def check_topics(node: Node, config: NodeConfig, timeout_s: float) -> list[Finding]:
    """Wait up to `timeout_s` for a picture and a CameraInfo of each camera and look at them."""
    with _hushed(node):
        cameras = [_Heard(node, name, config) for name in config.cameras or ('',)]
        give_up_s = time.monotonic() + timeout_s
        while time.monotonic() < give_up_s and not all(each.complete for each in cameras):
            rclpy.spin_once(node, timeout_sec=0.1)
            for each in cameras:
                each.source.look_around()
        found = [finding for each in cameras for finding in each.findings(timeout_s)]
        for each in cameras:
            each.source.close()
    return found


@contextmanager
def _hushed(node: Node) -> Iterator[None]:
    """Without the node's word on subscribing anew; a logger is shared by all of its name."""
    logger = node.get_logger()
    before = logger.get_effective_level()
    logger.set_level(LoggingSeverity.WARN)
    try:
        yield
    finally:
        logger.set_level(before)


class _Heard:
    """One camera, subscribed to as the node does, and the last picture that came."""

    def __init__(self, node: Node, name: str, config: NodeConfig) -> None:
        self._node, self._config, self._name = node, config, name
        self._message: Any = None
        self._age_s: float | None = None  # of that picture as it came, where a clock ran
        self.source = CameraInput(node, name, lambda: config, wanted=lambda: True)
        self.source.open(self._keep)

    def _keep(self, arrival: Arrival) -> bool:
        self._message, stamp = arrival.message, stamp_s(arrival.message.header)
        if now_s := self._node.get_clock().now().nanoseconds * 1e-9:
            self._age_s = now_s - stamp if stamp > 0 else 0.0
        return False

    @property
    def complete(self) -> bool:
        """Whether there is all to be looked at."""
        return self._age_s is not None and self.source.info is not None

    def findings(self, timeout_s: float) -> Iterator[Finding]:
        """What the node will say, and what it will make of the picture."""
        if self._message is None:
            yield self._silence(timeout_s)
            yield from self._camera(None)
            return
        yield Finding('topics', f'{self._offered()} arrives')
        if wrong := wrong_time(self._age_s or 0.0, self.source.health.around):
            yield fault('clock', wrong)
        try:
            rgb = rgb_from_message(self._message)
        except Exception as problem:  # cv_bridge raises what it likes
            yield fault('picture', f'the node cannot read it: {problem}')
            yield from self._camera(None)
            return
        how = getattr(self._message, 'encoding', None) or self._message.format
        yield Finding('picture', f'{rgb.shape[1]}x{rgb.shape[0]} {how}')
        yield from self._camera(rgb)

    def _silence(self, timeout_s: float) -> Finding:
        level, sentence = diagnose(self.source.health)
        if level is Level.OK:  # the node is more patient than we were told to be
            sentence = f'no frame on {self.source.topic} in {timeout_s:g} s'
        return fault('topics', sentence + self._others(PICTURES, self.source.topic))

    def _offered(self) -> str:
        said = [
            f'{each.qos_profile.reliability.name.lower().replace("_", " ")}, from {each.node_name}'
            for each in self.source.publishers()
        ]
        return f'{self.source.topic} ({"; ".join(said)})'

    def _camera(self, rgb: NDArray[np.uint8] | None) -> Iterator[Finding]:
        """The CameraInfo, for the picture where there is one that can be read."""
        info, problem = self.source.info, self.source.health.around.camera_fault
        if info is None:
            problem += self._others(INFOS, self.source.info_topic)
        if info is None or problem not in ('', BENT) or rgb is None:
            yield from [fault('camera', problem)] if problem else []
            return
        if problem:
            yield Finding('camera', problem)  # small errors may be meant
        try:
            lens = CalibrationReader(self._config.lens)
            calibration = lens.read(info, rgb.shape[1], rgb.shape[0])
        except CameraError as refusal:
            yield fault('camera', f'{refusal} ({self.source.info_topic})')
            return
        camera = calibration.camera
        yield from self._hood(calibration.seen(rgb))
        yield Finding('camera', f'fx {camera.fx:.1f} px, frame {info.header.frame_id!r}')

    def _hood(self, seen: NDArray[np.uint8]) -> Iterator[Finding]:
        """The hood mask, if it can be read and does not fit what the network sees."""
        try:
            Finisher(self._config, self._name).require_fits(seen)
        except MaskError as refusal:
            yield fault('hood', str(refusal))
        except OSError:  # `check_masks` says so
            return

    def _others(self, kinds: tuple[str, ...], sought: str) -> str:
        """Where else something of these kinds is published, as part of a sentence."""
        topics = self._node.get_topic_names_and_types()
        same = [
            topic
            for topic, types in topics
            if topic != sought and set(types) & set(kinds) and self._node.count_publishers(topic)
        ]
        return f'; of that type there is {", ".join(sorted(same))}' if same else ''
