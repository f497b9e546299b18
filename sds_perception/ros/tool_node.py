"""The small nodes of our commands: made in one line, ended cleanly by one Ctrl-C or by two."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import rclpy
from rclpy.exceptions import InvalidTopicNameException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args
from rclpy.validate_topic_name import validate_topic_name

from sds_perception.offline.frames import OfflineError
from sds_perception.process_memory import keep_large_buffers
from sds_perception.ros.process import ignore_signals
from sds_perception.ros.shipped import prepare_transport


class BadArguments(OfflineError):
    """What follows --ros-args cannot be read; the message is one sentence."""


class BadTopic(BadArguments):
    """A topic name ROS does not allow; the message is one sentence."""


def own_arguments(command_line: Sequence[str]) -> list[str]:
    """What of a command line is ours, without the command's name and what is for ROS.

    Raises:
        BadArguments: ROS cannot read its part.
    """
    try:
        return remove_ros_args(list(command_line))[1:]
    except RuntimeError as problem:
        raise BadArguments(_said(problem)) from problem


@contextmanager
def tool_node(name: str, args: Sequence[str] | None = None, **options: Any) -> Iterator[Node]:
    """A node `name` on our Fast DDS profile; `args` is the command line with its --ros-args.

    Signals stay Python's own, SIGTERM like SIGINT a KeyboardInterrupt: wait in short steps.

    Raises:
        BadArguments: ROS cannot read `args`.
    """
    keep_large_buffers()
    prepare_transport()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    command = list(args) if args is not None else None
    try:
        rclpy.init(args=command, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as problem:
        raise BadArguments(_said(problem)) from problem
    node = Node(name, **options)
    try:
        yield node
    finally:
        ignore_signals()
        node.destroy_node()
        rclpy.try_shutdown()


def checked_topic(topic: str) -> str:
    """`topic` as it is; BadTopic where it cannot be one."""
    try:
        validate_topic_name(topic)
    except InvalidTopicNameException as problem:
        raise BadTopic(f'{topic!r} cannot be a topic: {_said(problem)}') from problem
    return topic


def full_name(node: Node, topic: str) -> str:
    """`topic` as the graph knows it, with namespace and remaps; BadTopic where it cannot be."""
    try:
        name: str = node.resolve_topic_name(topic)
    except RuntimeError as problem:  # rcl's, which ends with a place in its sources
        raise BadTopic(f'{topic!r} cannot be a topic: {_said(problem)}') from problem
    return name


def _said(problem: Exception) -> str:
    """The sentence of an error of rcl; what failed comes first, its place last."""
    return str(problem).split(': ', 1)[-1].split(', at ', 1)[0].split(':\n', 1)[0]


@contextmanager
def until_stopped() -> Iterator[None]:
    """Run the body until it ends or a signal ends it; what follows is not disturbed by another."""
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        ignore_signals()
