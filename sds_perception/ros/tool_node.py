"""The small nodes of our commands: made in one line, ended cleanly by one Ctrl-C or by two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from sds_perception.ros.process import ignore_signals, keep_large_buffers
from sds_perception.ros.shipped import prepare_transport


@contextmanager
def tool_node(name: str, args: Sequence[str] | None = None) -> Iterator[Node]:
    """A node `name` on our Fast DDS profile; `args` is the command line with its --ros-args."""
    keep_large_buffers()
    prepare_transport()
    rclpy.init(args=list(args) if args is not None else None)
    node = Node(name)
    try:
        yield node
    finally:
        ignore_signals()
        node.destroy_node()
        rclpy.try_shutdown()
        ignore_signals()


@contextmanager
def until_stopped() -> Iterator[None]:
    """Run the body until it ends or a signal ends it; what follows is not disturbed by another."""
    try:
        yield
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        ignore_signals()
