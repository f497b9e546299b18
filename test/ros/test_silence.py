"""Nothing comes out: the node says why."""

from __future__ import annotations

import json
import time

import pytest
from node_graph import Graph, camera_info, counts, image, until
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from sds_perception.ros.health import CameraHealth, Level, Surroundings, diagnose
from sds_perception.ros.qos import newest_frame

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT


@pytest.mark.parametrize(
    ('asked', 'offered', 'wanted'),
    [
        ('match', [], BEST_EFFORT),
        ('match', [RELIABLE], RELIABLE),
        ('match', [RELIABLE, BEST_EFFORT], BEST_EFFORT),
        ('best_effort', [RELIABLE], BEST_EFFORT),
        ('reliable', [BEST_EFFORT], RELIABLE),
    ],
)
def test_match_asks_for_no_more_than_every_publisher_offers(asked, offered, wanted) -> None:
    qos = newest_frame(asked, offered)
    assert qos.reliability == wanted


@pytest.mark.parametrize(
    ('around', 'sentence'),
    [
        ({'publishers': 0}, 'no publisher on /image'),
        ({'publishers': 1, 'incompatible_qos': 'RELIABILITY'}, 'incompatible QoS'),
        ({'publishers': 1, 'clock_stopped': True}, 'no /clock'),
        ({'publishers': 1}, 'DDS drops fragments'),
    ],
)
def test_silence_has_a_named_cause(around: dict[str, object], sentence: str) -> None:
    health = CameraHealth('front', around=Surroundings(topic='/image', **around))
    level, said = diagnose(health)
    assert level is Level.ERROR
    assert sentence in said


def test_frames_in_and_out_are_well() -> None:
    health = CameraHealth('front', around=Surroundings(topic='/image', publishers=1))
    health.arrived()
    health.processed({'total': 0.01})
    assert diagnose(health)[0] is Level.OK


def test_idle_is_not_an_error() -> None:
    health = CameraHealth('front', around=Surroundings(topic='/image', publishers=1, wanted=False))
    health.arrived()
    level, said = diagnose(health)
    assert level is Level.OK
    assert 'nobody subscribes' in said


def test_percentiles_are_of_the_frames_that_were_timed() -> None:
    health = CameraHealth('front')
    for milliseconds in range(1, 101):
        health.processed({'network': milliseconds / 1e3})
    network = health.latency.percentiles_ms()['network']
    assert network['p50'] == pytest.approx(50.5)
    assert network['p99'] == pytest.approx(99, abs=0.1)


def test_a_node_without_a_camera_says_so(graph: Graph) -> None:
    graph.active()
    lines = graph.statuses()
    until(lambda: any('no publisher on /image' in line for line in lines), 'the cause was named')


def test_a_best_effort_camera_that_comes_late_is_still_received(graph: Graph) -> None:
    early = graph.helper.create_publisher(
        Image, '/image', QoSProfile(depth=1, reliability=RELIABLE)
    )
    node = graph.active()  # only a reliable camera is there: the node may subscribe reliably
    received = graph.collect('labels')
    until(lambda: early.get_subscription_count() == 1, 'the node listens')
    late = graph.helper.create_publisher(
        Image, '/image', QoSProfile(depth=1, reliability=BEST_EFFORT)
    )

    def came() -> bool:
        late.publish(image())
        time.sleep(0.02)
        return bool(received)

    until(came, 'a frame of the best-effort camera came')
    assert counts(node)['processed']


def test_a_reliable_request_to_a_best_effort_camera_is_named(graph: Graph) -> None:
    graph.active(qos_reliability='reliable')
    graph.collect('labels')
    lines = graph.statuses()
    publisher = graph.helper.create_publisher(
        Image, '/image', QoSProfile(depth=1, reliability=BEST_EFFORT)
    )
    publisher.publish(image())
    until(lambda: any('incompatible QoS' in line for line in lines), 'the policy was named')


def test_camera_info_is_missed_and_foreign_frames_are_noticed(graph: Graph) -> None:
    graph.active()
    graph.collect('labels')
    lines = graph.statuses()
    images, infos = graph.publisher(), graph.publisher('/camera_info', CameraInfo)

    def said(word: str) -> bool:
        images.publish(image())
        return any(word in line for line in lines)

    until(lambda: said('no CameraInfo on /camera_info'), 'the missing camera_info was named')
    infos.publish(camera_info(frame='elsewhere'))
    until(lambda: said('frame ids differ'), 'the foreign frame id was named')


def test_the_status_is_one_line_of_json(graph: Graph) -> None:
    graph.active()
    lines = graph.statuses()
    line = until(lambda: lines and lines[-1], 'a status came')
    assert '\n' not in line
    assert json.loads(line)['state'] == 'active'
