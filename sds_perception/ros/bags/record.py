"""Record topics into a ROS 2 bag, without rosbag2: every message as it came over the wire.

ros2 run sds_perception record OUTPUT --topics /sds_perception/labels /sds_perception/depth
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TypeVar

from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.topic_endpoint_info import TopicEndpointInfo

from sds_perception.offline.bag_writer import STORAGES, BagWriter, UnknownTypeError
from sds_perception.offline.frames import OfflineError
from sds_perception.ros.bags.bag_topics import bag_qos, message_class
from sds_perception.ros.process import StopRequest
from sds_perception.ros.qos import matching_qos
from sds_perception.ros.subscription import MatchedSubscription
from sds_perception.ros.tool_node import full_name, own_arguments, tool_node

_LOOK_EVERY_S = 0.2
_DEPTH = 100  # messages that may wait while the disk is busy
Result = TypeVar('Result')


class Recorder(AbstractContextManager['Recorder']):
    """Subscribes each wanted topic as soon as it has a publisher and writes what arrives.

    Where a publisher comes back and offers less, less is asked for, and it is heard again.
    """

    def __init__(self, node: Node, output: Path, topics: Sequence[str], storage: str) -> None:
        self._node = node
        # As given: what asks for a topic remaps it, and a swap done twice is none.
        self._waiting = {topic: full_name(node, topic) for topic in topics}
        self._names = tuple(self._waiting.values())
        self._heard: list[MatchedSubscription] = []
        self._disk = ThreadPoolExecutor(1, 'disk')  # SQLite serves the thread that opened it
        self._bag = self._on_disk(BagWriter, output, storage)
        self._early: list[tuple[str, bytes]] = []  # came before the first /clock
        # In sim time our own clock may stand still until the player hears us subscribe.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(_LOOK_EVERY_S, self._look, clock=steady)

    def __exit__(self, *_: object) -> None:
        """Close the bag; also after a fault, so that what was recorded can be read."""
        with self._disk:
            try:
                self._write_early(self._node.get_clock().now().nanoseconds)
            finally:
                self._on_disk(self._bag.close)

    @property
    def counts(self) -> dict[str, int]:
        """Messages that came so far, by topic."""
        kept = Counter(name for name, _ in self._early)
        return {name: self._bag.counts.get(name, 0) + kept[name] for name in self._names}

    def _look(self) -> None:
        for each in self._heard:
            each.follow(may_lose=False)
        for topic in list(self._waiting):
            if publishers := self._node.get_publishers_info_by_topic(topic):
                self._hear(topic, self._waiting.pop(topic), publishers)

    def _hear(self, topic: str, name: str, publishers: Sequence[TopicEndpointInfo]) -> None:
        kind = publishers[0].topic_type
        qos = matching_qos([each.qos_profile for each in publishers], _DEPTH)
        try:
            self._on_disk(self._bag.announce, name, kind, bag_qos(qos))
        except UnknownTypeError as problem:
            return self._node.get_logger().error(str(problem))
        request, write = partial(matching_qos, depth=_DEPTH), partial(self._write, name)
        heard = MatchedSubscription(
            self._node, message_class(kind), topic, write, request, raw=True
        )
        heard.open()
        self._heard.append(heard)

    def _write(self, name: str, data: bytes) -> None:
        now_ns = self._node.get_clock().now().nanoseconds
        if now_ns == 0:  # sim time that has not begun: a bag from 1970 to now plays for 50 years
            return self._early.append((name, data))
        self._write_early(now_ns)
        self._on_disk(self._bag.write, name, data, now_ns)

    def _write_early(self, now_ns: int) -> None:
        for name, data in self._early:
            self._on_disk(self._bag.write, name, data, now_ns)
        self._early.clear()

    def _on_disk(self, work: Callable[..., Result], *given: object) -> Result:
        return self._disk.submit(work, *given).result()


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='record', description=__doc__.splitlines()[0])
    parser.add_argument('output', type=Path, help='folder of the bag; must not exist yet')
    parser.add_argument('--topics', nargs='+', required=True, help='topics to record')
    parser.add_argument('--storage', choices=tuple(STORAGES), default='mcap')
    return parser.parse_args(list(arguments))


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of `ros2 run sds_perception record`; 2 where nothing can be written."""
    arguments = list(sys.argv if args is None else ['record', *args])
    try:
        wanted = _parse(own_arguments(arguments))
        with (
            tool_node('record', arguments) as node,
            StopRequest() as stop,
            Recorder(node, wanted.output, wanted.topics, wanted.storage) as recorder,
        ):
            executor = SingleThreadedExecutor()
            executor.add_node(node)
            stop.spin(executor)
            executor.shutdown()
            for topic, count in recorder.counts.items():
                print(f'record: {topic}: {count} messages')
    except OfflineError as problem:
        print(f'record: {problem}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
