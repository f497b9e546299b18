"""Topics between bags and ROS: message classes by name, quality of service both ways."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rosbags.interfaces import Connection, Qos, QosDurability, QosReliability

from sds_perception.offline.bag_writer import offer
from sds_perception.offline.frames import OfflineError

_DEPTH = 10  # messages kept where a bag does not say


class BagError(OfflineError):
    """A bag that cannot be played or written; the message is one sentence."""


def message_class(name: str) -> type[Any]:
    """The class of a type such as 'sensor_msgs/msg/Image'; BagError where it is not installed."""
    try:
        package, kind, short = name.split('/')
        return getattr(import_module(f'{package}.{kind}'), short)
    except (ValueError, ImportError, AttributeError) as problem:
        raise BagError(f'message type {name} is not installed here ({problem})') from problem


def offered_qos(connection: Connection) -> QoSProfile:
    """The quality of service its publisher offered when recorded; reliable where unknown.

    A reliable offer suits reliable and best-effort subscribers alike.
    """
    recorded: Sequence[Qos] = getattr(connection.ext, 'offered_qos_profiles', ())
    latched = connection.topic == '/tf_static'
    best_effort = bool(recorded) and all(
        each.reliability is QosReliability.BEST_EFFORT for each in recorded
    )
    latched |= any(each.durability is QosDurability.TRANSIENT_LOCAL for each in recorded)
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=max([each.depth for each in recorded], default=_DEPTH) or _DEPTH,
        reliability=ReliabilityPolicy.BEST_EFFORT if best_effort else ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def bag_qos(profile: QoSProfile) -> Qos:
    """What a bag's metadata says about `profile`, so that players offer the same."""
    return offer(
        profile.depth,
        reliable=profile.reliability == ReliabilityPolicy.RELIABLE,
        latched=profile.durability == DurabilityPolicy.TRANSIENT_LOCAL,
    )
