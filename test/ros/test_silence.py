"""Nothing comes out: the node says why."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import rclpy
from node_graph import Graph, camera_info, counts, image, until
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

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
    assert qos.depth > 1  # one that comes while Python takes another would be lost, uncounted


def test_a_node_without_a_camera_says_so(graph: Graph) -> None:
    graph.active()
    lines = graph.statuses()
    until(lambda: any('no publisher on /image' in line for line in lines), 'the cause was named')


def test_a_node_with_a_camera_has_no_error_to_tell_when_it_is_activated(graph: Graph) -> None:
    graph.observer.create_publisher(Image, '/image', QoSProfile(depth=1))
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


def test_a_camera_that_comes_late_is_given_time_for_its_first_frame(graph: Graph) -> None:
    node = graph.active()
    node.health().opened_s -= 10.0  # so long there was none
    lines = graph.statuses()
    graph.observer.create_publisher(Image, '/image', QoSProfile(depth=1))
    waiting = 'waiting for the first frame on /image'
    until(lambda: any(waiting in line for line in lines), 'it was waited for')


def test_a_best_effort_camera_that_comes_late_is_still_received(graph: Graph) -> None:
    early = graph.observer.create_publisher(
        Image, '/image', QoSProfile(depth=1, reliability=RELIABLE)
    )
    node = graph.active()  # only a reliable camera is there: the node may subscribe reliably
    received = graph.collect('labels')
    until(lambda: early.get_subscription_count() == 1, 'the node listens')
    late = graph.observer.create_publisher(
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
    publisher = graph.observer.create_publisher(
        Image, '/image', QoSProfile(depth=1, reliability=BEST_EFFORT)
    )
    publisher.publish(image())
    until(lambda: any('incompatible QoS' in line for line in lines), 'the policy was named')


@pytest.mark.parametrize(
    ('lens', 'fields', 'told'),
    [
        ('raw', {'d': [-0.35, 0.0, 0.0, 0.0, 0.0]}, True),
        ('raw', {'d': [0.0] * 4, 'distortion_model': 'equidistant'}, True),
        ('rectify', {'d': [-0.35, 0.0, 0.0, 0.0, 0.0]}, False),
    ],
)
def test_a_lens_that_bends_is_a_warning_where_nothing_is_done_about_it(
    graph: Graph, lens: str, fields: dict[str, Any], told: bool
) -> None:
    graph.active(lens=lens)
    graph.collect('labels')
    lines = graph.statuses()
    images, infos = graph.publisher(), graph.publisher('/camera_info', CameraInfo)
    info = camera_info()
    for name, value in fields.items():
        setattr(info, name, value)

    def said() -> bool:
        infos.publish(info)
        images.publish(image())
        return any('the lens bends' in line or 'frames per second' in line for line in lines)

    until(said, 'the camera was judged')
    assert any('the lens bends' in line for line in lines) is told


def test_a_frame_id_that_is_empty_is_a_warning(graph: Graph) -> None:
    graph.active()
    graph.collect('labels')
    lines = graph.statuses()
    images, infos = graph.publisher(), graph.publisher('/camera_info', CameraInfo)

    def said() -> bool:
        infos.publish(camera_info(frame=''))
        images.publish(image(frame=''))
        return any("frame_id is '' on /image" in line for line in lines)

    until(said, 'the empty frame id was named')


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
