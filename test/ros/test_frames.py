"""A frame on its way through the real node: what comes out, under which header."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from node_graph import Graph, camera_info, counts, image, until
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import String

from sds_perception.labels import NAMES
from sds_perception.perceiver import Perceiver
from sds_perception.release import Release, write_release
from sds_perception.ros.messages import rgb_from_message
from sds_perception.ros.qos import LATCHED
from sds_perception.scene import Scene

PICTURES = {'labels': 1, 'confidence': 1, 'overlay': 3, 'depth_color': 3}


def test_every_output_carries_the_stamp_and_frame_of_its_image(graph: Graph) -> None:
    graph.active(fixed_scale=2.0)
    kinds = dict.fromkeys((*PICTURES, 'depth'), Image) | {
        'camera_info': CameraInfo,
        'points': PointCloud2,
        'labels/compressed': CompressedImage,
        'overlay/compressed': CompressedImage,
        'depth_color/compressed': CompressedImage,
    }
    received = {topic: graph.collect(topic, kind) for topic, kind in kinds.items()}
    picture = image(stamp=(7, 5))
    send_until(graph, lambda: all(received.values()), 'every output came', picture=picture)
    for messages in received.values():
        header = messages[0].header
        assert header.frame_id == 'cam'
        assert (header.stamp.sec, header.stamp.nanosec) == (7, 5)


def test_pictures_have_the_size_of_the_image_and_camera_info_says_so(graph: Graph) -> None:
    graph.active()
    received = {topic: graph.collect(topic) for topic in (*PICTURES, 'depth_relative')}
    infos = graph.collect('camera_info', CameraInfo)
    send_until(graph, lambda: all(received.values()) and infos, 'every output came')
    for topic, channels in PICTURES.items():
        message = received[topic][0]
        assert (message.width, message.height, message.step) == (64, 48, 64 * channels)
        assert len(message.data) == 64 * 48 * channels
    assert received['depth_relative'][0].encoding == '32FC1'
    assert (infos[0].width, infos[0].height) == (64, 48)
    assert list(infos[0].k) == camera_info().k.tolist()


def test_a_fraction_of_the_size_scales_pictures_intrinsics_and_cloud_alike(graph: Graph) -> None:
    graph.active(output_size='0.5', fixed_scale=2.0, cloud_decimation=1)
    labels, infos = graph.collect('labels'), graph.collect('camera_info', CameraInfo)
    overlays, clouds = graph.collect('overlay'), graph.collect('points', PointCloud2)
    send_until(graph, lambda: labels and infos and overlays and clouds, 'every output came')
    for message in (labels[0], overlays[0], infos[0], clouds[0]):
        assert (message.width, message.height) == (32, 24)
    assert infos[0].k[0] == infos[0].p[0] == 32.0
    assert infos[0].k[2] == infos[0].p[2] == 15.5


def test_relative_depth_is_never_published_as_metres(graph: Graph) -> None:
    graph.active()
    metres, relative = graph.collect('depth'), graph.collect('depth_relative')
    clouds = graph.collect('points', PointCloud2)
    send_until(graph, lambda: len(relative) > 2, 'relative depth came')
    assert not metres
    assert not clouds


def test_a_metric_release_gives_metres_where_the_camera_is_known(
    graph: Graph, metric_release: Release, tmp_path: Path
) -> None:
    write_release(tmp_path / 'metric.safetensors', metric_release)
    node = graph.active(release=str(tmp_path / 'metric.safetensors'))
    metres, relative = graph.collect('depth'), graph.collect('depth_relative')
    images = graph.publisher()
    images.publish(image())
    until(lambda: relative, 'depth without a camera came, without a unit')
    assert not metres
    send_until(graph, lambda: metres, 'metric depth came')
    assert 'metres from release' in node.health().scale


def test_a_scale_makes_metres_and_the_range_cuts_them(graph: Graph) -> None:
    node = graph.active(fixed_scale=2.0, max_depth_m=0.0)
    metres, relative = graph.collect('depth'), graph.collect('depth_relative')
    send_until(graph, lambda: metres, 'metric depth came')
    assert not relative
    everything = depth_of(metres[0])
    limit_m = float(np.nanmedian(everything))
    node.set_parameters([Parameter('max_depth_m', value=limit_m)])

    def within() -> bool:  # frames that were under way come first
        return np.nanmax(depth_of(metres[-1])) <= limit_m

    send_until(graph, within, 'depth came within the range')
    cut = depth_of(metres[-1])
    assert np.isnan(cut).sum() > np.isnan(everything).sum()


def test_millimetres_are_the_perceived_depth_times_scale_and_thousand(
    graph: Graph, tiny_release: Path
) -> None:
    graph.active(fixed_scale=2.0, max_depth_m=0.0, depth_encoding='16UC1')
    received = graph.collect('depth')
    send_until(graph, lambda: received, 'depth came')
    scene = Perceiver.from_release(tiny_release, device='cpu')(rgb_from_message(image()))
    expected = 1e3 * np.nan_to_num(2.0 * scene.depth)
    expected[expected > 65535] = 0
    assert received[0].encoding == '16UC1'
    millimetres = np.frombuffer(received[0].data, np.uint16).reshape(48, 64)
    assert (millimetres > 0).any()
    np.testing.assert_allclose(millimetres, expected, atol=1.0)


def test_a_live_scale_takes_effect_at_the_next_frame(graph: Graph) -> None:
    node = graph.active()
    metres = graph.collect('depth')
    publisher = graph.publisher()
    publisher.publish(image())
    until(lambda: counts(node).get('processed'), 'the frame went through')
    assert not metres
    node.set_parameters([Parameter('fixed_scale', value=3.0)])
    publisher.publish(image())
    until(lambda: metres, 'depth in metres came')


def test_the_ego_hood_is_unlabelled_and_has_no_depth(graph: Graph, tmp_path: Path) -> None:
    mask = np.zeros((24, 32), np.uint8)
    mask[12:] = 255
    cv2.imwrite(str(tmp_path / 'hood-.png'), mask)
    graph.active(fixed_scale=2.0, hood_mask=str(tmp_path / 'hood-{camera}.png'))
    labels, depth = graph.collect('labels'), graph.collect('depth')
    send_until(graph, lambda: labels and depth, 'labels and depth came')
    assert (pixels_of(labels[0])[24:] == 255).all()
    assert np.isnan(depth_of(depth[0])[24:]).all()
    assert (pixels_of(labels[0])[:24] != 255).any()


def test_a_hood_mask_of_another_shape_than_the_picture_is_refused(graph: Graph, tmp_path) -> None:
    mask = np.eye(8, 64, dtype=np.uint8)
    cv2.imwrite(str(tmp_path / 'hood.png'), mask)
    node = graph.active(hood_mask=str(tmp_path / 'hood.png'), always_run=True)
    publisher = graph.publisher()
    publisher.publish(image())
    until(lambda: counts(node).get('rejected'), 'the frame was refused')


def test_a_mask_survives_its_compression(graph: Graph) -> None:
    graph.active()
    raw = graph.collect('labels')
    files = graph.collect('labels/compressed', CompressedImage)
    send_until(graph, lambda: raw and files, 'both came')
    decoded = cv2.imdecode(np.frombuffer(files[0].data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert files[0].format == 'png'
    np.testing.assert_array_equal(decoded, pixels_of(raw[0]))


def test_what_nobody_subscribed_to_is_not_computed(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, computed = graph.active(fixed_scale=2.0), Mock()
    for name in ('render.overlay', 'render.color_depth', 'CloudMaker', 'depth_picture'):
        monkeypatch.setattr(f'sds_perception.ros.outputs.{name}', computed)
    labels = graph.collect('labels')
    send_until(graph, lambda: labels, 'labels came')
    assert not computed.called and not counts(node).get('failed')


def test_the_freshest_frame_wins_and_the_others_are_counted(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = graph.active(max_rate_hz=1000.0)
    received, publisher = graph.collect('labels'), graph.publisher()
    perceive, busy, turns = Perceiver.perceive, threading.Event(), threading.Semaphore(0)

    def held_up(*frames: Any) -> list[Scene]:
        busy.set()
        assert turns.acquire(timeout=60)
        return perceive(*frames)

    monkeypatch.setattr(Perceiver, 'perceive', held_up)
    for second in (1, 2, 3):
        publisher.publish(image(stamp=(second, 0)))
        until(lambda n=second: counts(node).get('received') == n, 'the frame arrived')
        assert busy.wait(60)  # with the first
    for many in (1, 2):  # an output keeps one message: the second must not push out the first
        turns.release()
        until(lambda n=many: len(received) == n, 'labels came')
    assert [each.header.stamp.sec for each in received] == [1, 3]
    assert counts(node)['dropped'] == 1


def test_two_resolutions_in_one_stream_both_come_out(graph: Graph) -> None:
    graph.active()
    received = graph.collect('labels')
    publisher = graph.publisher()
    for width, height in ((64, 48), (160, 90), (64, 48)):
        received.clear()
        publisher.publish(image(width, height))
        until(lambda: received, f'labels of {width}x{height} came')
        assert (received[0].width, received[0].height) == (width, height)


def test_the_picture_a_jpeg_carries_is_perceived_like_the_raw_one(graph: Graph) -> None:
    graph.active(image_transport='compressed')
    received = graph.collect('labels')
    publisher = graph.publisher('/image/compressed', CompressedImage)
    message = CompressedImage(format='png', header=image().header)
    message.data.frombytes(cv2.imencode('.png', pixels_of(image()))[1])
    publisher.publish(message)
    until(lambda: received, 'labels came')
    assert (received[0].width, received[0].height) == (64, 48)


def test_the_class_names_wait_for_late_subscribers(graph: Graph) -> None:
    graph.active()
    received = graph.collect('label_info_json', String, LATCHED)
    table = json.loads(until(lambda: received, 'the class table came')[0].data)
    assert [each['name'] for each in table['classes']] == list(NAMES)
    assert table['unlabelled'] == 255


def test_rectified_outputs_say_so(graph: Graph) -> None:
    graph.active(lens='rectify')
    received = graph.collect('camera_info', CameraInfo)
    bent = camera_info()
    bent.d = [-0.3, 0.1, 0.0, 0.0, 0.0]
    send_until(graph, lambda: received, 'camera_info came', info=bent)
    assert list(received[0].d) == [0.0] * 5
    assert received[0].p[0] == received[0].k[0]


def test_where_a_rectified_picture_shows_nothing_nothing_is_known(graph: Graph) -> None:
    graph.active(lens='rectify')
    labels, confidence = graph.collect('labels'), graph.collect('confidence')
    info = camera_info()
    info.p[0] = info.p[5] = info.k[0] / 2  # twice the view that the lens has
    send_until(graph, lambda: labels and confidence, 'labels came', info=info)
    corner, middle = (0, 0), (24, 32)
    assert pixels_of(labels[0])[corner] == 255 and pixels_of(confidence[0])[corner] == 0
    assert pixels_of(labels[0])[middle] < 255


def test_pictures_that_come_rectified_are_taken_by_p_which_bends_nothing(graph: Graph) -> None:
    graph.active(lens='rectified')
    received = graph.collect('camera_info', CameraInfo)
    info = camera_info()
    info.d, info.p[0] = [-0.35, 0.1, 0.0, 0.0, 0.0], 45.0
    send_until(graph, lambda: received, 'camera_info came', info=info)
    assert list(received[0].d) == [0.0] * 5
    assert received[0].k[0] == received[0].p[0] == 45.0


def send_until(
    graph: Graph,
    condition: Callable[[], bool],
    what: str,
    info: CameraInfo | None = None,
    picture: Image | None = None,
) -> None:
    """Publish the same image and its CameraInfo until the condition holds."""
    infos, images = graph.publisher('/camera_info', CameraInfo), graph.publisher()

    def sent_enough() -> bool:
        infos.publish(info or camera_info())
        images.publish(picture or image())
        return condition()

    until(sent_enough, what)


def pixels_of(message: Image) -> np.ndarray:
    return (
        np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, -1).squeeze()
    )


def depth_of(message: Image) -> np.ndarray:
    return np.frombuffer(message.data, np.float32).reshape(message.height, message.width)
