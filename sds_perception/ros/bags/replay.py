"""Play a ROS 2 bag onto its topics in its own time, without rosbag2.

    ros2 run sds_perception replay BAG --rate 0.5 --clock --ros-args -r /old_topic:=/image

The bytes go out as they lie in the bag; nothing is decoded.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import rclpy
from rclpy.node import Node
from rclpy.publisher import Publisher
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader
from rosgraph_msgs.msg import Clock

from sds_perception.offline.bag_source import COMPRESSED, IMAGE, open_bag, read
from sds_perception.offline.frames import OfflineError
from sds_perception.ros.bags.bag_topics import BagError, message_class, offered_qos
from sds_perception.ros.tool_node import full_name, own_arguments, tool_node, until_stopped

CLOCK_PERIOD_S = 0.01
# A node that matches its QoS to ours subscribes anew within a heartbeat of seeing us.
SETTLE_S = 1.5
FIRST_WORD_S, NEXT_WORD_S = 5.0, 30.0  # what is waited for is said after, and again
_LOOK_EVERY_S = 0.05


@dataclass(frozen=True)
class ReplayPlan:
    """What to play and how; `passes` 0 plays for ever, `topics` empty plays all."""

    bag: Path
    rate: float = 1.0
    passes: int = 1
    clock: bool = False
    topics: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()  # topics not to play, and namespaces with all in them
    awaited: tuple[str, ...] = ()  # topics that need a subscriber too, such as a recorder's
    wait_s: float = 30.0  # for a subscriber of a picture, before the first message
    linger_s: float = 1.0  # after the last message, so that reliable ones still arrive

    def __post_init__(self) -> None:
        if not 0 < self.rate < math.inf:
            raise BagError(f'the rate must be above 0 and finite, got {self.rate:g}')
        if self.passes < 0:
            raise BagError(f'passes must be 0 (for ever) or more, got {self.passes}')
        if not self.wait_s >= 0:  # NaN is refused as well
            raise BagError(f'wait must be 0 s or more, got {self.wait_s:g}')
        if not 0 <= self.linger_s < math.inf:
            raise BagError(f'linger must be 0 s or more and finite, got {self.linger_s:g}')


class Player:
    """Publishers for the topics of an open bag, and the clock that paces them."""

    def __init__(self, node: Node, reader: Reader, plan: ReplayPlan) -> None:
        self.played = 0
        self._node, self._reader, self._plan = node, reader, plan
        self._clock = node.create_publisher(Clock, '/clock', 10) if plan.clock else None
        self._awaited = [full_name(node, topic) for topic in plan.awaited]
        self._left_out = tuple(full_name(node, topic) for topic in plan.left_out)
        self._by_topic: dict[str, Publisher] = {}
        self._pictures: list[Publisher] = []
        for connection in reader.connections:
            if connection.topic not in self._by_topic and self._wants(connection.topic):
                self._add(connection)
        if missing := set(plan.topics) - set(self._by_topic):
            raise BagError(f'{plan.bag} has no topic {", ".join(sorted(missing))}')
        if not self._by_topic:
            there = ', '.join(sorted({each.topic for each in reader.connections})) or 'no topic'
            raise BagError(f'{plan.bag} has {there}, of which nothing is left to play')

    def wait_for_subscriber(self) -> None:
        """Return once somebody listens to a picture; say so when nobody came in time."""
        began_s, heard_s, speak_s = time.monotonic(), 0.0, FIRST_WORD_S
        while heard_s < SETTLE_S:
            silent, waited_s = self._unheard(), time.monotonic() - began_s
            if silent and waited_s > self._plan.wait_s:
                self._node.get_logger().warning(
                    f'nobody subscribed to {", ".join(silent)} in {self._plan.wait_s:g} s; '
                    'playing all the same'
                )
                return
            if silent and waited_s > speak_s:
                self._say_what_is_awaited(silent, self._plan.wait_s - waited_s)
                speak_s = waited_s + NEXT_WORD_S
            self._tell_time(self._reader.start_time)
            time.sleep(_LOOK_EVERY_S)
            heard_s = 0.0 if silent else heard_s + _LOOK_EVERY_S

    def _say_what_is_awaited(self, silent: list[str], left_s: float) -> None:
        """One line; a name that was mistyped shows as a topic that is heard and not played."""
        graph = self._node.get_topic_names_and_types()
        pictures = {topic for topic, kinds in graph if set(kinds) & {IMAGE, COMPRESSED}}
        astray = sorted(
            each
            for each in pictures
            if self._node.count_subscribers(each) and not self._node.count_publishers(each)
        )
        hint = f'; somebody listens to {", ".join(astray)}, which nobody publishes'
        self._node.get_logger().info(
            f'waiting for a subscriber of {", ".join(silent)}, {left_s:.0f} s more'
            + (hint if astray else '')
        )

    def _unheard(self) -> list[str]:
        """Awaited topics without a subscriber; of the pictures one heard is enough."""
        pictures = [each.topic_name for each in self._pictures]
        silent = [each for each in self._awaited if not self._node.count_subscribers(each)]
        heard = any(self._node.count_subscribers(each) for each in pictures)
        return silent if heard else pictures + silent

    def play(self) -> None:
        """Play the bag `passes` times; a later pass jumps back in time, as a looping bag does."""
        done = 0
        while rclpy.ok() and (done < self._plan.passes or self._plan.passes == 0):
            self._play_once()
            done += 1
        self._sleep_until(self._reader.end_time + int(self._plan.linger_s * self._plan.rate * 1e9))

    def _play_once(self) -> None:
        self._start_s, self._start_ns = time.monotonic(), self._reader.start_time
        wanted = [each for each in self._reader.connections if each.topic in self._by_topic]
        for connection, stamp_ns, data in read(self._reader, wanted):
            if not self._sleep_until(stamp_ns):
                return
            self._by_topic[connection.topic].publish(bytes(data))
            self.played += 1

    def _sleep_until(self, stamp_ns: int) -> bool:
        """Wait for bag time `stamp_ns`, ticking the clock; False when told to stop."""
        due_s = self._start_s + (stamp_ns - self._start_ns) / 1e9 / self._plan.rate
        while rclpy.ok():
            left_s = due_s - time.monotonic()
            self._tell_time(stamp_ns - int(max(left_s, 0.0) * self._plan.rate * 1e9))
            if left_s <= 0:
                return True
            time.sleep(min(left_s, CLOCK_PERIOD_S))
        return False

    def _tell_time(self, now_ns: int) -> None:
        if self._clock:
            message = Clock()
            message.clock.sec, message.clock.nanosec = divmod(now_ns, 1_000_000_000)
            self._clock.publish(message)

    def _wants(self, topic: str) -> bool:
        if self._plan.topics and topic not in self._plan.topics:
            return False
        return not any(
            topic == each or topic.startswith(f'{each}/') for each in ('/clock', *self._left_out)
        )

    def _add(self, connection: Connection) -> None:
        try:
            kind = message_class(connection.msgtype)
        except BagError as problem:
            self._node.get_logger().warning(f'{connection.topic} is not played: {problem}')
            return
        publisher = self._node.create_publisher(kind, connection.topic, offered_qos(connection))
        self._by_topic[connection.topic] = publisher
        if connection.msgtype in (IMAGE, COMPRESSED):
            self._pictures.append(publisher)


def _parse(arguments: Sequence[str]) -> ReplayPlan:
    parser = argparse.ArgumentParser(prog='replay', description=__doc__.splitlines()[0])
    add = parser.add_argument
    add('bag', type=Path, help='bag folder, or a .db3 or .mcap file')
    add('--rate', type=float, default=1.0, help='times real time (1)')
    add('--loop', dest='passes', type=int, nargs='?', const=0, default=1, metavar='N',
        help='play N times; without N, or with 0, for ever')  # fmt: skip
    add('--clock', action='store_true', help='publish /clock in bag time')
    _add_topics(parser)
    add('--wait', dest='wait_s', type=float, default=30.0, metavar='S',
        help='for those subscribers, at most (30)')  # fmt: skip
    add('--linger', dest='linger_s', type=float, default=1.0, metavar='S',
        help='stay after the last message (1)')  # fmt: skip
    values = vars(parser.parse_args(list(arguments)))
    return ReplayPlan(**{n: tuple(v) if isinstance(v, list) else v for n, v in values.items()})


def _add_topics(parser: argparse.ArgumentParser) -> None:
    add = partial(parser.add_argument, nargs='+', default=(), metavar='TOPIC')
    add('--topics', help='play only these')
    add('--except', dest='left_out',
        help='play neither these nor, where one is a namespace, what is in it')  # fmt: skip
    add('--await', dest='awaited',
        help='start only when these have subscribers too, besides the pictures')  # fmt: skip


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of `ros2 run sds_perception replay`; 2 where the bag cannot be played."""
    arguments = list(sys.argv if args is None else ['replay', *args])
    try:
        plan = _parse(own_arguments(arguments))
        with open_bag(plan.bag) as reader, tool_node('replay', arguments) as node:
            player = Player(node, reader, plan)
            with until_stopped():
                player.wait_for_subscriber()
                player.play()
            print(f'replay: {player.played} messages played from {plan.bag}')
    except OfflineError as problem:
        print(f'replay: {problem}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
