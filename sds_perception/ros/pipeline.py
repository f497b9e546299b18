"""The walk of a frame inside the node: newest frames, one network call, each output once.

One thread takes what the scheduler hands out; the executor never waits for the network.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rclpy.clock import Clock
from std_msgs.msg import Header

from sds_perception.calibration import Calibration, CalibrationReader
from sds_perception.camera import CameraError
from sds_perception.ego_hood import MaskError
from sds_perception.image_codec import BrokenImage, UnsupportedImage
from sds_perception.perceiver import FrameError, Perceiver
from sds_perception.ros.cameras import Arrival, CameraInput
from sds_perception.ros.finish import Finisher
from sds_perception.ros.health import CameraHealth, Fate
from sds_perception.ros.messages import rgb_from_message, stamp_s
from sds_perception.ros.node_config import NodeConfig
from sds_perception.ros.outputs import Outputs, Seen
from sds_perception.ros.scheduler import Scheduler
from sds_perception.scene import Scene

log = logging.getLogger(__name__)

STUCK_S = 30.0  # far beyond the slowest frame; a driver that takes longer may never answer

# A frame's own fault, or that of what is told of its camera.
UNUSABLE = (UnsupportedImage, BrokenImage, CameraError, FrameError, MaskError)


@dataclass
class Frame:
    """A decoded frame with all that is needed to perceive and publish it."""

    camera_name: str
    header: Header
    rgb: NDArray[np.uint8]
    calibration: Calibration | None
    seconds: dict[str, float]  # per stage so far
    arrived_s: float


@dataclass(frozen=True)
class Channel:
    """Everything that belongs to one camera."""

    source: CameraInput
    lens: CalibrationReader
    finish: Finisher
    outputs: Outputs


class Pipeline:
    """Runs from `start` to `stop` on its own thread, for all cameras with one Perceiver."""

    def __init__(
        self,
        perceiver: Perceiver,
        channels: Mapping[str, Channel],
        scheduler: Scheduler[Arrival],
        config: Callable[[], NodeConfig],
        clock: Clock,
    ) -> None:
        self._perceiver, self._channels, self._scheduler = perceiver, channels, scheduler
        self._config, self._clock = config, clock
        self.network_calls = 0
        self._thread = threading.Thread(target=self._run, name='perception', daemon=True)

    def start(self) -> None:
        """Begin to serve the scheduler."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the frame in hand and end the thread, or leave behind one that is stuck.

        A driver that never answers must not take the node's services and its Ctrl-C with it.
        """
        self._scheduler.close()
        if self._thread.is_alive():
            self._thread.join(STUCK_S)
        if self._thread.is_alive():
            log.error(
                'the frame in hand has not ended in %g s: its engine is left behind', STUCK_S
            )

    def _run(self) -> None:
        while not self._scheduler.closed:
            self._serve(self._scheduler.take(timeout_s=1.0))

    def _serve(self, arrivals: list[tuple[str, Arrival]]) -> None:
        """Decode, perceive together, publish; a camera's fault stays its own."""
        picked_s = time.monotonic()
        decoded = [self._decoded(name, arrival, picked_s) for name, arrival in arrivals]
        frames = [each for each in decoded if each is not None]
        if not frames:
            return
        self.network_calls += 1
        try:
            scenes = self._perceiver.perceive(
                [frame.rgb for frame in frames],
                [frame.calibration and frame.calibration.camera for frame in frames],
            )
        except Exception as problem:  # an engine that fails must be seen, not end the thread
            self._failed([frame.camera_name for frame in frames], problem)
            return
        for frame, scene in zip(frames, scenes, strict=True):
            try:
                self._publish(frame, scene)
            except Exception as problem:
                self._failed([frame.camera_name], problem)

    def _decoded(self, name: str, arrival: Arrival, picked_s: float) -> Frame | None:
        """The frame ready for the network; None, counted, where it is too old or unusable."""
        health, message = self._channels[name].source.health, arrival.message
        self._channels[name].finish.follow(arrival.epoch)
        if self._too_old(message.header, health):
            health.count(Fate.TOO_OLD)
            return None
        began = time.perf_counter()
        try:
            rgb, calibration = self._seen_through(self._channels[name], arrival)
            self._channels[name].finish.require_fits(rgb)
        except UNUSABLE as problem:
            health.reject(type(problem).__name__, str(problem))
            return None
        except Exception as problem:  # cv_bridge raises what it likes; the thread must go on
            self._failed([name], problem)
            return None
        seconds = {'wait': picked_s - arrival.arrived_s, 'decode': time.perf_counter() - began}
        return Frame(name, message.header, rgb, calibration, seconds, arrival.arrived_s)

    def _seen_through(
        self, channel: Channel, arrival: Arrival
    ) -> tuple[NDArray[np.uint8], Calibration | None]:
        """The picture, rectified if so told, and its calibration where there is one."""
        rgb, source = rgb_from_message(arrival.message), channel.source
        must_rectify, info = self._config().lens == 'rectify', arrival.info
        if info is None:
            if must_rectify:
                raise CameraError(f'lens is rectify and {source.info_topic} is silent')
            return rgb, None
        try:
            calibration = channel.lens.read(info, rgb.shape[1], rgb.shape[0])
        except CameraError as problem:
            if must_rectify:
                raise
            source.health.lens_fault = str(problem)  # labels and relative depth need none
            return rgb, None
        source.health.lens_fault = ''
        return calibration.seen(rgb), calibration

    def _too_old(self, header: Header, health: CameraHealth) -> bool:
        if not stamp_s(header) > 0:
            return False
        age_s, limit_s = self._age_s(header), self._config().max_age_s
        health.age_s = age_s
        return 0 < limit_s < age_s

    def _age_s(self, header: Header) -> float:
        return self._clock.now().nanoseconds * 1e-9 - stamp_s(header)

    def _publish(self, frame: Frame, scene: Scene) -> None:
        channel = self._channels[frame.camera_name]
        began = time.perf_counter()
        scene = channel.finish(scene, frame.calibration, self._config())
        channel.source.health.scale = channel.finish.scale
        finished = time.perf_counter()
        seen = Seen(frame.rgb, scene, frame.header, frame.calibration)
        channel.outputs.publish(seen, self._config())
        seconds = {**frame.seconds, **scene.timings, 'publish': time.perf_counter() - finished}
        seconds['post'] += finished - began
        seconds['total'] = time.monotonic() - frame.arrived_s
        if stamp_s(frame.header) > 0:
            seconds['age'] = self._age_s(frame.header)
        channel.source.health.processed(seconds)

    def _failed(self, cameras: list[str], problem: Exception) -> None:
        """Count a frame of each camera; log it once, not thirty times a second."""
        said = f'{type(problem).__name__}: {problem}'
        for name in cameras:
            health = self._channels[name].source.health
            if said != health.last_rejection:
                log.error('frames of %s fail', health.name, exc_info=problem)
            health.last_rejection = said
            health.count(Fate.FAILED)
