"""The node while it is active: cameras that are listened to, and the thread that sees."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial

from rclpy.clock import Clock

from sds_perception.perceiver import Perceiver
from sds_perception.ros.cameras import Arrival
from sds_perception.ros.node_config import NodeConfig
from sds_perception.ros.pipeline import Channel, Pipeline
from sds_perception.ros.scheduler import Scheduler


class Session:
    """Made and opened by `activate`, closed by `deactivate`; never opened again."""

    def __init__(
        self,
        perceiver: Perceiver,
        channels: Mapping[str, Channel],
        config: Callable[[], NodeConfig],
        clock: Clock,
    ) -> None:
        self._sources = {name: channel.source for name, channel in channels.items()}
        self._scheduler = Scheduler[Arrival](list(channels), lambda: config().batch_deadline_s)
        self._pipeline = Pipeline(perceiver, channels, self._scheduler, config, clock)
        self._tending = threading.Lock()  # transitions may come from outside the executor

    def open(self) -> None:
        """Start to see and to listen."""
        self._pipeline.start()
        with self._tending:
            for name, source in self._sources.items():
                source.open(partial(self._scheduler.offer, name))

    @property
    def network_calls(self) -> int:
        """How often the engine ran for frames so far."""
        return self._pipeline.network_calls

    @property
    def topics(self) -> list[str]:
        """What is listened to, in the order of the cameras."""
        sources = self._sources.values()
        return [topic for each in sources for topic in (each.topic, each.info_topic)]

    def look_around(self) -> None:
        """Renew what is known about the cameras' publishers, and follow what they offer."""
        with self._tending:
            for source in self._sources.values():
                source.look_around()

    def close(self) -> None:
        """Stop listening, finish the frame in hand, end the thread; from any point of `open`."""
        self._scheduler.close()  # first: no frame that waits is begun while others stop listening
        with self._tending:
            for source in self._sources.values():
                source.close()
        self._pipeline.stop()
