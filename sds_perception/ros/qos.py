"""Quality of service: ask of a camera what its publisher offers, offer to all what both want."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

# rclpy's executor dies of an event handler that is destroyed while it waits (InvalidHandle in
# add_to_wait_set), which is what deactivating does. We look at the graph instead.
NO_EVENTS = SubscriptionEventCallbacks(use_default_callbacks=False)
NO_PUBLISHER_EVENTS = PublisherEventCallbacks(use_default_callbacks=False)

# Reliable offers serve reliable and best-effort subscribers alike; one message is never stale.
OUTPUT = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.RELIABLE
)
LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


UNREAD = 5  # frames the middleware keeps until Python has taken them


def newest_frame(reliability: str, offered: Iterable[ReliabilityPolicy]) -> QoSProfile:
    """How frames are asked for; `reliability` is 'match', 'best_effort' or 'reliable'.

    The queue of one is the scheduler's, which counts what it drops. Here a few are kept: with
    one, a frame that comes while Python takes the last is gone and nobody knows.

    'match' is reliable only where every publisher `offered` is: a best-effort request suits
    all of them, a reliable one silently receives nothing from a best-effort camera.
    """
    offered = list(offered)
    if reliability == 'match':
        all_reliable = offered and all(each == ReliabilityPolicy.RELIABLE for each in offered)
        reliability = 'reliable' if all_reliable else 'best_effort'
    policy = {
        'reliable': ReliabilityPolicy.RELIABLE,
        'best_effort': ReliabilityPolicy.BEST_EFFORT,
    }[reliability]
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=UNREAD,
        reliability=policy,
        durability=DurabilityPolicy.VOLATILE,
    )


def matching_qos(offers: Sequence[QoSProfile], depth: int) -> QoSProfile:
    """The strongest request that every one of `offers` satisfies, keeping `depth` messages."""
    reliable = all(each.reliability == ReliabilityPolicy.RELIABLE for each in offers)
    latched = all(each.durability == DurabilityPolicy.TRANSIENT_LOCAL for each in offers)
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def newest_info(offers: Sequence[QoSProfile]) -> QoSProfile:
    """How CameraInfo is asked for: latched where it is, as drivers may publish it only once."""
    return matching_qos(offers, depth=1) if offers else newest_frame('match', [])
