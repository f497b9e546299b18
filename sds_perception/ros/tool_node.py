"""The small nodes of our commands: made in one line, ended cleanly by one Ctrl-C or by two."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

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


@contextmanager
def until_stopped() -> Iterator[None]:
    """Run the body until it ends or a signal ends it; what follows is not disturbed by another."""
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        ignore_signals()
