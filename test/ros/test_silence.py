"""Nothing comes out: the node says why."""

from __future__ import annotations

import json
import time

import pytest
import rclpy
from node_graph import Graph, camera_info, counts, image, until
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

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


def listening(since_s: float = 10.0, **around: object) -> CameraHealth:
    """A camera the node has listened to for so long."""
    surroundings = Surroundings(topic='/image', **{'publishers': 1, **around})
    return CameraHealth('front', around=surroundings, opened_s=time.monotonic() - since_s)


@pytest.mark.parametrize(
    ('around', 'sentence'),
    [
        ({'publishers': 0}, 'no publisher on /image'),
        ({'publishers': 1, 'foreign_type': 'wanted Image'}, 'wanted Image'),
        ({'publishers': 1, 'incompatible_qos': 'RELIABILITY'}, 'incompatible QoS'),
        ({'publishers': 1, 'clock_stopped': True}, 'no /clock'),
        ({'publishers': 1}, 'DDS drops fragments'),
    ],
)
def test_silence_has_a_named_cause(around: dict[str, object], sentence: str) -> None:
    level, said = diagnose(listening(**around))
    assert level is Level.ERROR
    assert sentence in said


def test_frames_in_and_out_are_well_however_often_one_looks() -> None:
    health = listening()
    health.arrived()
    health.processed({'total': 0.01})
    assert [diagnose(health)[0] for _ in range(5)] == [Level.OK] * 5


def test_a_camera_is_given_time_for_its_first_frame_after_each_activation() -> None:
    health = listening(since_s=0.1)
    assert diagnose(health) == (Level.OK, 'waiting for the first frame on /image')
    health = listening()
    assert diagnose(health)[0] is Level.ERROR
    health.opened()
    assert diagnose(health)[0] is Level.OK


def test_a_camera_that_falls_silent_is_an_error_though_frames_were_counted_since_a_look() -> None:
    health = listening()
    health.arrived()
    health.processed({'total': 0.01})
    health.last_arrival_s -= 3.0
    level, said = diagnose(health)
    assert level is Level.ERROR
    assert 'no frame for 3' in said


@pytest.mark.parametrize('fate', ['dropped', 'out of order'])
def test_frames_that_arrive_while_nothing_comes_out_are_an_error_that_counts_them(fate) -> None:
    health = listening()
    for _ in range(30):
        health.arrived()
        health.count(fate)
    level, said = diagnose(health)
    assert level is Level.ERROR
    assert said == f'30 frames received and none came out: 30 {fate}'


@pytest.mark.parametrize('fate', ['nobody subscribed', 'over max_rate_hz'])
def test_frames_that_were_not_to_come_out_are_no_error(fate) -> None:
    health = listening()
    health.count('received', 31)
    health.count(fate, 30)
    health.last_arrival_s = time.monotonic()
    assert diagnose(health)[0] is Level.OK


def test_a_clock_that_stands_still_is_named_where_it_holds_the_frames_back() -> None:
    health = listening(clock_stopped=True)
    health.arrived()
    health.count('over max_rate_hz')
    assert diagnose(health) == (Level.ERROR, 'use_sim_time is true and no /clock arrives')


def test_idle_is_not_an_error() -> None:
    health = listening(wanted=False)
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


def test_a_node_with_a_camera_has_no_error_to_tell_when_it_is_activated(graph: Graph) -> None:
    graph.helper.create_publisher(Image, '/image', QoSProfile(depth=1))
    node, lines = graph.node(), graph.statuses()
    until(lambda: node.count_publishers('/image'), 'the node saw the camera')
    node.trigger_configure()
    node.trigger_activate()
    active = until(lambda: [line for line in lines if '"active"' in line], 'it was activated')
    assert 'ERROR' not in active[0]
    assert 'waiting for the first frame on /image' in active[0]


def test_a_camera_of_another_type_is_named_and_not_blamed_on_dds(graph: Graph) -> None:
    apart = rclpy.Context()  # one DDS participant cannot have two types on a topic
    rclpy.init(context=apart)
    camera = rclpy.create_node('camera', context=apart)
    camera.create_publisher(CompressedImage, '/image', QoSProfile(depth=1))
    graph.active()
    lines = graph.statuses()
    wanted = (
        '/image carries CompressedImage, wanted Image: set image_transport to compressed and '
        'leave /compressed off the topic'
    )
    until(lambda: any(wanted in line for line in lines), 'the type was named')
    camera.destroy_node()
    rclpy.shutdown(context=apart)


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
