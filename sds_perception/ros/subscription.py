"""A topic asked for as its publishers offer it, and asked for anew where they call for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo

from sds_perception.ros.qos import NO_EVENTS


class MatchedSubscription:
    """Hears one topic from `open` to `close`."""

    def __init__(
        self,
        node: Node,
        kind: type,
        topic: str,
        callback: Callable[[Any], None],
        request: Callable[[Sequence[QoSProfile]], QoSProfile],
        *,
        raw: bool = False,
    ) -> None:
        """`request` makes what we ask for of what the publishers offer, which may be nothing.

        `raw` hands the callback messages as they came over the wire.
        `topic` is a name before remapping: rules that swap two names would undo themselves where
        what they made went through them again.
        """
        self.topic: str = node.resolve_topic_name(topic)
        self._asked = topic
        self._node, self._kind, self._callback, self._request = node, kind, callback, request
        self._raw = raw
        self._made: Any = None
        self._changing = threading.Lock()  # a frame follows it, a transition ends it

    @property
    def is_open(self) -> bool:
        """Between `open` and `close`."""
        return self._made is not None

    @property
    def reliability(self) -> ReliabilityPolicy:
        """What is asked for while it is open."""
        with self._changing:
            return self._made.qos_profile.reliability

    def publishers(self) -> list[TopicEndpointInfo]:
        """Who publishes the topic."""
        return self._node.get_publishers_info_by_topic(self._asked)

    def offers(self) -> list[QoSProfile]:
        """What each of them offers."""
        return [each.qos_profile for each in self.publishers()]

    def open(self) -> None:
        """Subscribe, asking what the publishers that are there offer."""
        with self._changing:
            self._subscribe(self._request(self.offers()))

    def close(self) -> None:
        """Hear no more."""
        with self._changing:
            self._unsubscribe()

    def follow(self, *, may_lose: bool) -> None:
        """Subscribe anew where the publishers call for another request.

        A best-effort one hears every publisher, and messages get lost while subscribing anew: it
        becomes reliable only where they `may_lose`.
        """
        with self._changing:
            if self._made is not None:
                self._renew(may_lose)

    def _renew(self, may_lose: bool) -> None:
        offers = self.offers()
        wanted, present = self._request(offers), self._made.qos_profile
        weaker = present.reliability == ReliabilityPolicy.BEST_EFFORT
        if not offers or _same(wanted, present) or (weaker and not may_lose):
            return
        self._node.get_logger().info(f'{self.topic} is {_words(wanted)}: subscribing anew')
        self._unsubscribe()
        self._subscribe(wanted)

    def _subscribe(self, qos: QoSProfile) -> None:
        self._made = self._node.create_subscription(
            self._kind,
            self._asked,
            self._callback,
            qos,
            event_callbacks=NO_EVENTS,
            raw=self._raw,
        )

    def _unsubscribe(self) -> None:
        if self._made is not None:
            self._node.destroy_subscription(self._made)
        self._made = None


def _same(one: QoSProfile, other: QoSProfile) -> bool:
    return (one.reliability, one.durability) == (other.reliability, other.durability)


def _words(qos: QoSProfile) -> str:
    policies = (qos.reliability.name, qos.durability.name)
    return ', '.join(each.lower().replace('_', ' ') for each in policies)
