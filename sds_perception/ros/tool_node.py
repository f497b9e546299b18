"""The small nodes of our commands: made in one line, ended cleanly by one Ctrl-C or by two."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from sds_perception.offline.frames import OfflineError
from sds_perception.process_memory import keep_large_buffers
from sds_perception.ros.process import ignore_signals
from sds_perception.ros.shipped import prepare_transport


@contextmanager
def tool_node(name: str, args: Sequence[str] | None = None) -> Iterator[Node]:
    """A node `name` on our Fast DDS profile; `args` is the command line with its --ros-args.

    Signals stay Python's own, SIGTERM like SIGINT a KeyboardInterrupt: wait in short steps.
    """
    keep_large_buffers()
    prepare_transport()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    command = list(args) if args is not None else None
    rclpy.init(args=command, signal_handler_options=SignalHandlerOptions.NO)
    node = Node(name)
    try:
        yield node
    finally:
        ignore_signals()
        node.destroy_node()
        rclpy.try_shutdown()


class BadTopic(OfflineError):
    """A topic name ROS does not allow; the message is one sentence."""


def full_name(node: Node, topic: str) -> str:
    """`topic` as the graph knows it, with namespace and remaps; BadTopic where it cannot be."""
    try:
        name: str = node.resolve_topic_name(topic)
    except RuntimeError as problem:  # rcl's, which ends with a place in its sources
        why = str(problem).removeprefix('failed to resolve name: ').rsplit(', at ', 1)[0]
        raise BadTopic(f'{topic!r} cannot be a topic: {why}') from problem
    return name


@contextmanager
def until_stopped() -> Iterator[None]:
    """Run the body until it ends or a signal ends it; what follows is not disturbed by another."""
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        ignore_signals()
