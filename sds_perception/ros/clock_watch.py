"""Whether the clock that a node goes by still runs."""

from __future__ import annotations

import time

from rclpy.node import Node

from sds_perception.ros.health import PATIENCE_S


class ClockWatch:
    """Looks at a node's clock again and again: simulated time may never begin, or stop."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._last_ns, self._moved_s = 0, time.monotonic()

    def stopped(self) -> bool:
        """Whether the node goes by /clock, and that has said nothing new for so long, or ever."""
        now_ns = self._node.get_clock().now().nanoseconds
        if now_ns != self._last_ns:
            self._last_ns, self._moved_s = now_ns, time.monotonic()
        still_s = time.monotonic() - self._moved_s
        simulated = bool(self._node.get_parameter('use_sim_time').value)
        return simulated and (now_ns == 0 or still_s >= PATIENCE_S)
