"""What bad input gets: counted, named, skipped; the node lives."""

from __future__ import annotations

import json
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from node_graph import Graph, camera_info, counts, image, until
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

BAD_IMAGES: dict[str, tuple[Callable[[Image], None], str]] = {
    'an encoding nobody knows': (lambda m: setattr(m, 'encoding', 'xyz9'), "'xyz9'"),
    'too short': (lambda m: m.data.pop(), 'shorter'),
    'too long': (lambda m: m.data.append(0), 'longer'),
    'rows that overlap': (lambda m: setattr(m, 'step', 10), 'step'),
    'no rows': (lambda m: setattr(m, 'height', 0), 'positive'),
    'no columns': (lambda m: setattr(m, 'width', 0), 'positive'),
}


def test_a_broken_image_is_counted_named_and_skipped(graph: Graph) -> None:
    node = graph.active(max_rate_hz=1000.0)
    received, publisher = graph.collect('labels'), graph.publisher()
    for number, (what, (spoil, word)) in enumerate(BAD_IMAGES.items(), 1):
        bad = image()
        spoil(bad)
        publisher.publish(bad)
        until(lambda n=number: counts(node).get('rejected') == n, f'what is {what} was rejected')
        assert word in node.health().last_rejection, what
        assert len(received) == number - 1
        publisher.publish(image())
        until(lambda n=number: len(received) == n, f'the node went on after what is {what}')


def jpeg(data: bytes) -> CompressedImage:
    message = CompressedImage(format='jpeg', header=image().header)
    message.data.frombytes(data)
    return message


GOOD_JPEG = cv2.imencode('.jpg', np.zeros((48, 64, 3), np.uint8))[1].tobytes()
SIZE_AT = GOOD_JPEG.index(b'\xff\xc0') + 5  # behind marker, length and precision
ENORMOUS = GOOD_JPEG[:SIZE_AT] + b'\xff\xdc' * 2 + GOOD_JPEG[SIZE_AT + 4 :]  # 65500x65500


def test_a_broken_jpeg_is_counted_and_skipped(graph: Graph) -> None:
    node = graph.active(image_transport='compressed', max_rate_hz=1000.0)
    received = graph.collect('labels')
    publisher = graph.publisher('/image/compressed', CompressedImage)
    for number, data in enumerate((b'', b'\xff\xd8 not a picture', b'GIF89a', ENORMOUS), 1):
        publisher.publish(jpeg(data))
        until(lambda n=number: counts(node).get('rejected') == n, 'the frame was rejected')
        assert 'jpeg' in node.health().last_rejection, data[:20]
        publisher.publish(jpeg(GOOD_JPEG))
        until(lambda n=number: len(received) == n, 'the node went on')


@pytest.mark.parametrize('stage', ['decode', 'network'])
def test_whatever_is_raised_fails_its_frame_is_logged_once_and_the_node_goes_on(
    graph: Graph, stage: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def raises(*_: object) -> None:
        raise KeyError('odd')

    node = graph.active()
    received, publisher = graph.collect('labels'), graph.publisher()
    with monkeypatch.context() as broken:
        if stage == 'decode':  # as cv_bridge may
            broken.setattr('sds_perception.ros.pipeline.rgb_from_message', raises)
        else:
            broken.setattr('sds_perception.perceiver.Perceiver.perceive', raises)
        for number in (1, 2):
            publisher.publish(image())
            until(lambda n=number: counts(node).get('failed') == n, 'the frame failed')
    assert "KeyError: 'odd'" in node.health().last_rejection
    assert len([each for each in caplog.records if 'fail' in each.message]) == 1
    publisher.publish(image())
    until(lambda: received, 'the node went on')


def uncalibrated() -> CameraInfo:
    info = camera_info()
    info.k = [0.0] * 9
    return info


UNUSABLE_INFOS = [(camera_info(32, 24), '32x24'), (uncalibrated(), 'uncalibrated')]


@pytest.mark.parametrize(('info', 'word'), UNUSABLE_INFOS)
def test_a_camera_info_that_cannot_be_used_is_named_and_costs_no_labels(
    graph: Graph, info: CameraInfo, word: str
) -> None:
    node = graph.active()
    received, published = graph.collect('labels'), graph.collect('camera_info', CameraInfo)
    lines = graph.statuses()
    images, infos = graph.publisher(), graph.publisher('/camera_info', CameraInfo)
    infos.publish(info)
    until(lambda: node.camera().info, 'the camera_info arrived')
    images.publish(image())
    until(lambda: received, 'labels came')
    until(lambda: any(word in line and 'no cloud' in line for line in lines), 'it was named')
    assert not published
    infos.publish(camera_info())
    until(lambda: node.camera().info.k[0] == node.camera().info.width == 64, 'it was mended')
    images.publish(image())
    until(lambda: published, 'camera_info came')
    until(lambda: 'no cloud' not in lines[-1], 'the fault was forgotten')


@pytest.mark.parametrize(('info', 'word'), UNUSABLE_INFOS)
def test_where_it_is_to_be_rectified_such_a_camera_info_rejects_the_frame(
    graph: Graph, info: CameraInfo, word: str
) -> None:
    node = graph.active(lens='rectify')
    graph.collect('labels')
    images, infos = graph.publisher(), graph.publisher('/camera_info', CameraInfo)
    infos.publish(info)
    until(lambda: node.camera().info, 'the camera_info arrived')
    images.publish(image())
    until(lambda: counts(node).get('rejected') == 1, 'the frame was rejected')
    assert word in node.health().last_rejection


def test_a_frame_that_is_too_old_is_not_shown_to_the_network(graph: Graph) -> None:
    node = graph.active(max_age_s=1.0)
    graph.collect('labels')
    graph.publisher().publish(image(stamp=(7, 0)))
    until(lambda: counts(node).get('too old') == 1, 'the frame was discarded')
    assert not counts(node).get('processed')


def test_the_network_rests_while_nobody_subscribes(graph: Graph) -> None:
    node = graph.active()
    graph.publisher().publish(image())
    until(lambda: counts(node).get('nobody subscribed') == 1, 'the frame was left alone')
    assert not counts(node).get('processed')


def test_the_network_runs_without_subscribers_when_told_so(graph: Graph) -> None:
    node = graph.active(always_run=True)
    graph.publisher().publish(image())
    until(lambda: counts(node).get('processed') == 1, 'the frame was processed')


def test_stamps_that_jump_back_are_noticed_and_followed(graph: Graph) -> None:
    node = graph.active(max_rate_hz=1000.0)
    received = graph.collect('labels')
    publisher = graph.publisher()
    for second in (100, 3):
        received.clear()
        publisher.publish(image(stamp=(second, 0)))
        until(lambda: received, f'labels of second {second} came')
    assert counts(node)['stamps jumped back'] == 1


def test_a_straggler_is_not_shown_after_its_successor(graph: Graph) -> None:
    node = graph.active()
    received = graph.collect('labels')
    publisher = graph.publisher()
    publisher.publish(image(stamp=(100, 200_000_000)))
    until(lambda: received, 'labels came')
    publisher.publish(image(stamp=(100, 100_000_000)))
    until(lambda: counts(node).get('out of order') == 1, 'the straggler was left out')
    assert len(received) == 1


def test_diagnostics_name_the_fault(graph: Graph) -> None:
    graph.active()
    graph.collect('labels')
    arrays = graph.collect('/diagnostics', DiagnosticArray, QoSProfile(depth=10))
    lines = graph.statuses()
    publisher = graph.publisher()
    bad = image()
    bad.encoding = 'xyz9'

    def said() -> bool:
        publisher.publish(bad)
        told = [s.message for array in list(arrays) for s in array.status]
        return any('xyz9' in each for each in told) and any('xyz9' in line for line in lines)

    until(said, 'diagnostics and status named the encoding')
    assert any(json.loads(line)['level'] == 'ERROR' for line in lines)
