"""Quality of service: ask of a camera what its publisher offers, offer to all what both want."""

from __future__ import annotations

from collections.abc import Iterable

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

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


def newest_frame(reliability: str, offered: Iterable[ReliabilityPolicy]) -> QoSProfile:
    """Keep the newest message only; `reliability` is 'match', 'best_effort' or 'reliable'.

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
        depth=1,
        reliability=policy,
        durability=DurabilityPolicy.VOLATILE,
    )
