"""Quality of service and message types on their way into a bag and out of it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

rclpy = pytest.importorskip('rclpy')

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402

from sds_perception.offline.bag_writer import offer  # noqa: E402
from sds_perception.ros.bags.bag_topics import (  # noqa: E402
    BagError,
    bag_qos,
    message_class,
    offered_qos,
)
from sds_perception.ros.qos import matching_qos  # noqa: E402

pytestmark = pytest.mark.ros


def test_an_unknown_message_type_is_refused_by_name():
    with pytest.raises(BagError, match='no_msgs/msg/Thing'):
        message_class('no_msgs/msg/Thing')


def test_quality_of_service_survives_the_bag():
    profile = QoSProfile(
        depth=7,
        reliability=ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )
    connection = _connection([bag_qos(profile)])
    assert offered_qos(connection).depth == 7
    assert offered_qos(connection).reliability == ReliabilityPolicy.BEST_EFFORT
    assert offered_qos(connection).durability == DurabilityPolicy.TRANSIENT_LOCAL


def test_a_bag_that_says_nothing_is_offered_reliable_and_only_static_transforms_latched():
    plain, static = (offered_qos(_connection([], topic)) for topic in ('/tf', '/tf_static'))
    assert plain.reliability == static.reliability == ReliabilityPolicy.RELIABLE
    assert plain.durability == DurabilityPolicy.VOLATILE
    assert static.durability == DurabilityPolicy.TRANSIENT_LOCAL


def test_of_several_recorded_offers_the_strongest_is_made_again():
    lossy = QoSProfile(depth=3, reliability=ReliabilityPolicy.BEST_EFFORT)
    latched = QoSProfile(depth=7, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    offered = offered_qos(_connection([bag_qos(lossy), bag_qos(latched)]))
    assert offered.depth == 7
    assert offered.reliability == ReliabilityPolicy.RELIABLE
    assert offered.durability == DurabilityPolicy.TRANSIENT_LOCAL


def test_a_publisher_that_kept_all_is_given_a_queue():
    unbounded = offer(0, reliable=True, latched=False)
    assert offered_qos(_connection([unbounded])).depth > 0


def test_a_listener_asks_for_no_more_than_every_publisher_offers():
    reliable = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
    lossy = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    assert matching_qos([reliable, lossy], 5).reliability == ReliabilityPolicy.BEST_EFFORT
    assert matching_qos([reliable], 5).reliability == ReliabilityPolicy.RELIABLE
    assert matching_qos([reliable], 5).depth == 5  # its own: what waits to be taken is kept


def _connection(qos, topic='/t'):
    return SimpleNamespace(topic=topic, ext=SimpleNamespace(offered_qos_profiles=qos))
