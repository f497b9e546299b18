"""Nodes of our commands: made in one line or refused in one, ended by one Ctrl-C or by two."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import rclpy
from rclpy.exceptions import InvalidParameterTypeException, InvalidTopicNameException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args
from rclpy.validate_topic_name import validate_topic_name

from sds_perception.offline.frames import OfflineError
from sds_perception.process_memory import keep_large_buffers
from sds_perception.ros.process import ignore_signals
from sds_perception.ros.shipped import prepare_transport

AnyNode = TypeVar('AnyNode', bound=Node)


class BadArguments(OfflineError):
    """With these --ros-args there can be no node; the message is one sentence."""


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
        BadArguments: there can be no node with `args`.
    """
    keep_large_buffers()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with running_node(lambda: Node(name, **options), args) as node:
        try:
            yield node
        finally:
            ignore_signals()


@contextmanager
def running_node(
    make: Callable[[], AnyNode], args: Sequence[str] | None = None
) -> Iterator[AnyNode]:
    """What `make` makes, on our Fast DDS profile, between the start and the end of rclpy.

    Raises:
        BadArguments: the profile is not there, ROS cannot read `args`, or a parameter of rclpy's
            own has a value of another type.
    """
    with _in_one_sentence():
        prepare_transport()
        command = list(args) if args is not None else None
        rclpy.init(args=command, signal_handler_options=SignalHandlerOptions.NO)
    node = None
    try:
        with _in_one_sentence():
            node = make()
        yield node
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()


@contextmanager
def _in_one_sentence() -> Iterator[None]:
    try:
        yield
    except InvalidParameterTypeException as problem:  # ends with the name, which it says before
        raise BadArguments(str(problem).rpartition(': ')[0]) from problem
    except (RuntimeError, FileNotFoundError) as problem:
        raise BadArguments(_said(problem)) from problem


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
