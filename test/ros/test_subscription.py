"""A subscription that follows its publishers, and may be ended by another thread meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Thread
from typing import Any

import pytest
from node_graph import Graph, until
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from sds_perception.ros.qos import matching_qos, newest_frame
from sds_perception.ros.subscription import MatchedSubscription

BEST_EFFORT, RELIABLE = ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE


def as_offered(offers: Sequence[QoSProfile]) -> QoSProfile:
    return matching_qos(offers, depth=1) if offers else newest_frame('best_effort', [])


def test_a_transition_in_another_thread_ends_it_only_when_it_has_followed(graph: Graph) -> None:
    closing: list[Thread] = []

    def request(offers: Sequence[QoSProfile]) -> QoSProfile:
        if offers:  # a deactivation comes while this frame makes it follow
            closing.append(Thread(target=subscription.close))
            closing[0].start()
            closing[0].join(0.2)
        return as_offered(offers)

    subscription = MatchedSubscription(graph.node(), Image, '/late', lambda _: None, request)
    subscription.open()
    graph.observer.create_publisher(Image, '/late', QoSProfile(depth=1))
    until(subscription.offers, 'the publisher is known')
    subscription.follow(may_lose=True)
    closing[0].join()
    assert not subscription.is_open
    assert len(closing) == 1


def test_what_it_asks_for_is_known_also_while_another_thread_makes_it_follow(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, asked, asking = graph.node(), [], []
    subscription = MatchedSubscription(node, Image, '/late', lambda _: None, as_offered)
    subscription.open()
    graph.observer.create_publisher(Image, '/late', QoSProfile(depth=1))
    until(subscription.offers, 'the publisher is known')
    create = node.create_subscription

    def between(*words: Any, **named: Any) -> Any:  # the old one is gone by now
        asking.append(Thread(target=lambda: asked.append(subscription.reliability)))
        asking[0].start()
        asking[0].join(0.2)
        return create(*words, **named)

    monkeypatch.setattr(node, 'create_subscription', between)
    subscription.follow(may_lose=True)
    asking[0].join()
    subscription.close()
    assert asked == [RELIABLE]


@pytest.mark.parametrize('may_lose', [True, False])
def test_it_becomes_reliable_only_where_frames_may_be_lost(graph: Graph, may_lose: bool) -> None:
    subscription = MatchedSubscription(graph.node(), Image, '/late', lambda _: None, as_offered)
    subscription.open()
    graph.observer.create_publisher(Image, '/late', QoSProfile(depth=1))
    until(subscription.offers, 'the publisher is known')
    subscription.follow(may_lose=may_lose)
    asked = subscription.reliability
    subscription.close()
    assert asked == (RELIABLE if may_lose else BEST_EFFORT)
