"""What one camera's input keeps of a stream, and what it forgets at its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from node_graph import Graph, camera_info, image, until
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from sds_perception.ros.cameras import Arrival, CameraInput
from sds_perception.ros.health import Fate
from sds_perception.ros.node_config import NodeConfig

Make = Callable[..., tuple[CameraInput, list[Arrival]]]


@pytest.fixture
def opened(graph: Graph) -> Make:
    """Makes an open input of a config, and the list of what it hands on."""
    node = graph.node()

    def make(wanted: bool = True, **config: Any) -> tuple[CameraInput, list[Arrival]]:
        arrivals: list[Arrival] = []
        source = CameraInput(node, 'own', lambda: NodeConfig(**config), wanted=lambda: wanted)
        source.open(lambda arrival: bool(arrivals.append(arrival)))
        return source, arrivals

    return make


def test_nothing_of_a_closed_stream_is_left_for_the_next(opened: Make) -> None:
    source, arrivals = opened()
    source._on_info(camera_info())
    source._on_image(image(stamp=(100, 0)))
    source.close()
    assert source.info is None
    source.open(lambda arrival: bool(arrivals.append(arrival)))
    source._on_image(image(stamp=(99, 800_000_000)))  # not a straggler of the other stream
    source.close()
    assert [each.info is None for each in arrivals] == [False, True]


def test_a_frame_is_seen_with_the_camera_info_that_waits_beside_it(graph: Graph) -> None:
    node, arrivals = graph.node(), []
    source = CameraInput(node, 'own', NodeConfig, wanted=lambda: True)
    source.open(lambda arrival: bool(arrivals.append(arrival)))
    best_effort = ReliabilityPolicy.BEST_EFFORT
    images = graph.publisher('/own/image', reliability=best_effort)
    infos = graph.publisher('/own/camera_info', CameraInfo, best_effort)
    graph.executor.remove_node(node)  # busy for a while
    infos.publish(camera_info())
    images.publish(image())
    time.sleep(0.2)
    graph.executor.add_node(node)
    until(lambda: arrivals, 'the frame came')
    source.close()
    assert arrivals[0].info is not None


def test_stamps_that_jump_back_start_the_percentiles_anew(opened: Make) -> None:
    source, _ = opened()
    source._on_image(image(stamp=(100, 0)))
    source.health.processed({'network': 0.01})
    source._on_image(image(stamp=(10, 0)))
    source.close()
    assert source.health.counts[Fate.JUMPED_BACK] == 1
    assert not source.health.latency.percentiles_ms()


def test_a_frame_with_the_stamp_of_its_predecessor_is_no_straggler(opened: Make) -> None:
    source, arrivals = opened()
    for _ in range(2):
        source._on_image(image(stamp=(100, 0)))
    source.close()
    assert len(arrivals) == 2


@pytest.mark.parametrize('always_run', [False, True])
def test_a_node_that_always_runs_wants_frames_that_nobody_subscribed_to(
    opened: Make, always_run: bool
) -> None:
    source, arrivals = opened(wanted=False, always_run=always_run)
    source._on_image(image())
    source.look_around()
    source.close()
    assert (len(arrivals) == 1) is source.health.around.wanted is always_run


def test_a_rectified_camera_is_uncalibrated_where_p_is_and_k_is_not(opened: Make) -> None:
    source, _ = opened(lens='rectified')
    info = camera_info()
    info.p[0] = 0.0
    source._on_info(info)
    source.look_around()
    source.close()
    assert 'P[0] is 0' in source.health.around.camera_fault


@pytest.mark.parametrize(('lens', 'told'), [('raw', True), ('rectify', False)])
def test_a_lens_that_bends_is_no_fault_where_it_is_rectified(
    opened: Make, lens: str, told: bool
) -> None:
    source, _ = opened(lens=lens)
    info = camera_info()
    info.d[0] = 0.1
    source._on_info(info)
    source.look_around()
    source.close()
    assert ('the lens bends' in source.health.around.camera_fault) is told


def test_frame_ids_are_not_compared_before_a_frame_has_come(opened: Make) -> None:
    source, _ = opened()
    source._on_info(camera_info())
    source.look_around()
    source.close()
    assert source.health.around.camera_fault == ''


def test_the_frame_id_of_a_closed_stream_is_not_compared_with_that_of_the_next(
    opened: Make,
) -> None:
    source, _ = opened()
    source._on_image(image(frame='old'))
    source.close()
    source.open(lambda _: False)
    source._on_info(camera_info())
    source.look_around()
    source.close()
    assert source.health.around.camera_fault == ''


def test_a_reliable_camera_is_no_fault_where_best_effort_is_asked_for(
    graph: Graph, opened: Make
) -> None:
    source, _ = opened(qos_reliability='best_effort')
    graph.observer.create_publisher(Image, '/own/image', QoSProfile(depth=1))
    until(source.publishers, 'the camera was seen')
    source.look_around()
    source.close()
    assert source.health.around.incompatible_qos == ''
