"""Several cameras in one process on one set of weights."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from node_graph import Graph, counts, image, until
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, Image

from sds_perception.perceiver import Perceiver
from sds_perception.ros.building import build_perceiver
from sds_perception.ros.cameras import Arrival, CameraInput
from sds_perception.ros.node_config import NodeConfig
from sds_perception.ros.scheduler import LARGEST_BATCH

PAIR = ['left', 'right']


@pytest.mark.parametrize(
    ('device', 'cameras', 'wanted'),
    [
        ('cuda', 0, [1]),
        ('cuda', 3, [1, 2, 3]),
        ('cuda:1', 40, list(range(1, LARGEST_BATCH + 1))),
        ('cpu', 3, [1]),
    ],
)
def test_a_network_call_of_each_size_is_made_before_frames_come_where_it_costs_to_be_the_first(
    device, cameras, wanted, monkeypatch
) -> None:
    sizes: list[int] = []
    built = SimpleNamespace(warm_up=lambda *, frames: sizes.append(frames))
    monkeypatch.setattr(Perceiver, 'from_release', lambda *_, **__: built)
    names = tuple(f'camera_{number}' for number in range(cameras))
    build_perceiver('any', NodeConfig(device=device, cameras=names))
    assert sizes == wanted


def test_each_camera_gets_its_own_results_under_its_own_name(graph: Graph) -> None:
    graph.active(cameras=PAIR)
    received = {name: graph.collect(f'{name}/labels') for name in PAIR}
    publishers = {name: graph.publisher(f'/{name}/image') for name in PAIR}
    sizes = {'left': (64, 48), 'right': (80, 60)}
    for name in PAIR:
        publishers[name].publish(image(*sizes[name], frame=name))
    until(lambda: all(received.values()), 'both results came')
    for name in PAIR:
        message = received[name][0]
        assert message.header.frame_id == name
        assert (message.width, message.height) == sizes[name]


def test_frames_that_wait_together_share_one_network_call(graph: Graph) -> None:
    node = graph.active(cameras=PAIR, batch_deadline_s=1.0)
    received = {name: graph.collect(f'{name}/labels') for name in PAIR}
    publishers = [graph.publisher(f'/{name}/image') for name in PAIR]

    def fewer_calls_than_results() -> bool:
        results = sum(map(len, received.values()))
        for publisher in publishers:
            publisher.publish(image())
        until(lambda: sum(map(len, received.values())) > results, 'results came')
        return node.network_calls() < sum(map(len, received.values()))

    until(fewer_calls_than_results, 'two frames shared a call', timeout_s=20.0)


def test_a_camera_that_fails_does_not_stop_the_other(graph: Graph) -> None:
    node = graph.active(cameras=PAIR)
    received = graph.collect('right/labels')
    graph.collect('left/labels')
    left, right = (graph.publisher(f'/{name}/image') for name in PAIR)
    broken = image()
    broken.step = 1
    for turn in range(5):
        left.publish(broken)
        right.publish(image())
        until(lambda n=turn + 1: len(received) == n, 'the good camera was served')
    until(lambda: counts(node, 'left').get('rejected'), 'the bad one was counted')
    assert not counts(node, 'right').get('rejected')


def test_one_camera_nobody_listens_to_costs_nothing(graph: Graph) -> None:
    node = graph.active(cameras=PAIR)
    received = graph.collect('right/labels')
    left, right = (graph.publisher(f'/{name}/image') for name in PAIR)
    left.publish(image())
    right.publish(image())
    until(lambda: received and counts(node, 'left').get('nobody subscribed'), 'both were seen')
    assert not counts(node, 'left').get('processed')


def test_two_cameras_whose_names_are_swapped_stay_swapped(graph: Graph) -> None:
    swap = ['-r', 'left/image:=/right/image', '-r', 'right/image:=/left/image']
    node = LifecycleNode('swapped', context=graph.context, cli_args=['--ros-args', *swap])
    plain = node.create_subscription(Image, 'left/image', lambda _: None, 1)
    left = CameraInput(node, 'left', NodeConfig, wanted=lambda: True)
    left.open(lambda _: False)
    heard = [each.topic_name for each in node.subscriptions]
    assert plain.topic_name == left.topic == '/right/image'
    assert heard.count('/right/image') == 2 and '/left/image' not in heard
    left.close()
    node.destroy_node()


def test_a_single_camera_is_called_image(graph: Graph) -> None:
    graph.active()
    names = dict(graph.observer.get_topic_names_and_types())
    assert Image.__name__ in names['/image'][0]


def test_a_frame_keeps_the_camera_info_of_when_it_came_and_the_stream_it_belongs_to(
    graph: Graph,
) -> None:
    arrivals: list[Arrival] = []
    source = CameraInput(graph.node(), 'own', NodeConfig, wanted=lambda: True)
    infos = [CameraInfo(width=width) for width in (64, 80)]
    for info in infos:
        source.open(lambda arrival: arrivals.append(arrival))
        source._on_info(info)
        source._on_image(image())
        source.close()
    assert [each.info for each in arrivals] == infos
    assert arrivals[0].epoch != arrivals[1].epoch
