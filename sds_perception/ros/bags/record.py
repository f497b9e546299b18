"""Record topics into a ROS 2 bag, without rosbag2: every message as it came over the wire.

ros2 run sds_perception record OUTPUT --topics /sds_perception/labels /sds_perception/depth
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError
from rosbags.typesys import Stores, get_typestore

from sds_perception.offline.frames import OfflineError
from sds_perception.ros.bags.bag_topics import BagError, bag_qos, message_class
from sds_perception.ros.process import StopRequest
from sds_perception.ros.qos import matching_qos
from sds_perception.ros.tool_node import full_name, own_arguments, tool_node

_LOOK_EVERY_S = 0.2
_DEPTH = 100  # messages that may wait while the disk is busy


class Recorder(AbstractContextManager['Recorder']):
    """Subscribes each wanted topic as soon as it has a publisher and writes what arrives."""

    def __init__(self, node: Node, output: Path, topics: Sequence[str], storage: str) -> None:
        self._node = node
        # As given: what asks for a topic remaps it, and a swap done twice is none.
        self._waiting = {topic: full_name(node, topic) for topic in topics}
        self.counts: dict[str, int] = dict.fromkeys(self._waiting.values(), 0)
        self._types = get_typestore(Stores.LATEST)
        self._writer = _open_writer(output, storage)
        self._early: list[tuple[Connection, bytes]] = []  # came before the first /clock
        # In sim time our own clock may stand still until the player hears us subscribe.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(_LOOK_EVERY_S, self._look, clock=steady)

    def __exit__(self, *_: object) -> None:
        """Close the bag; also after a fault, so that what was recorded can be read."""
        self._write_early(self._node.get_clock().now().nanoseconds)
        self._writer.close()

    def _look(self) -> None:
        for topic in list(self._waiting):
            if publishers := self._node.get_publishers_info_by_topic(topic):
                offers = [each.qos_profile for each in publishers]
                self._subscribe(topic, publishers[0].topic_type, offers)
                del self._waiting[topic]

    def _subscribe(self, topic: str, kind: str, offers: list[QoSProfile]) -> None:
        name = self._waiting[topic]
        if kind not in self._types.fielddefs:
            self._node.get_logger().error(f'{name} is not recorded: unknown type {kind}')
            return
        qos = matching_qos(offers, _DEPTH)
        connection = self._writer.add_connection(
            name, kind, typestore=self._types, offered_qos_profiles=[bag_qos(qos)]
        )
        write = partial(self._write, connection)
        self._node.create_subscription(message_class(kind), topic, write, qos, raw=True)

    def _write(self, connection: Connection, data: bytes) -> None:
        self.counts[connection.topic] += 1
        now_ns = self._node.get_clock().now().nanoseconds
        if now_ns == 0:  # sim time that has not begun: a bag from 1970 to now plays for 50 years
            self._early.append((connection, data))
            return
        self._write_early(now_ns)
        self._writer.write(connection, now_ns, data)

    def _write_early(self, now_ns: int) -> None:
        for connection, data in self._early:
            self._writer.write(connection, now_ns, data)
        self._early.clear()


def _open_writer(output: Path, storage: str) -> Writer:
    try:
        writer = Writer(output, version=9, storage_plugin=StoragePlugin[storage.upper()])
        writer.open()
    except (WriterError, OSError) as problem:
        raise BagError(f'cannot record to {output}: {problem}') from problem
    return writer


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='record', description=__doc__.splitlines()[0])
    parser.add_argument('output', type=Path, help='folder of the bag; must not exist yet')
    parser.add_argument('--topics', nargs='+', required=True, help='topics to record')
    parser.add_argument('--storage', choices=('mcap', 'sqlite3'), default='mcap')
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
