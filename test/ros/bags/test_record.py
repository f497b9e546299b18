"""Laws of the recorder: it hears all that is said, whoever says it how, and keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from node_graph import until

rclpy = pytest.importorskip('rclpy')

from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import QoSProfile, ReliabilityPolicy  # noqa: E402
from rclpy.serialization import deserialize_message  # noqa: E402
from rosbags.rosbag2 import Reader  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from sds_perception.offline.bag_writer import STORAGES  # noqa: E402
from sds_perception.ros.bags.record import Recorder  # noqa: E402
from sds_perception.ros.qos import LATCHED  # noqa: E402
from sds_perception.ros.trial.vehicle_process import (  # noqa: E402
    ChildProcess,
    VehicleError,
    wait_until,
)

pytestmark = pytest.mark.ros


@contextmanager
def recording(
    graph, bag: Path, *topics: str, storage: str = 'mcap', **node: object
) -> Iterator[tuple[Recorder, Node]]:
    """A recorder of these topics, and the node of its own that it is on."""
    made = rclpy.create_node('keeper', context=graph.context, **node)
    graph.executor.add_node(made)
    with Recorder(made, bag, topics, storage) as recorder:
        yield recorder, made
    graph.executor.remove_node(made)
    made.destroy_node()


@contextmanager
def recording_before_the_clock(graph, bag):
    """A recorder in simulated time that has heard one message, 'early', and no clock."""
    sim = [Parameter('use_sim_time', value=True)]
    said = graph.observer.create_publisher(String, '/said', LATCHED)
    said.publish(String(data='early'))
    with recording(graph, bag, '/said', parameter_overrides=sim) as (recorder, node):
        until(lambda: recorder.counts['/said'] == 1, 'the latched message came')
        yield recorder, node, said


def test_what_comes_before_the_first_clock_is_stamped_with_it(graph, tmp_path) -> None:
    with recording_before_the_clock(graph, tmp_path / 'bag') as (_, node, _):
        ticks, tick = graph.observer.create_publisher(Clock, '/clock', 1), Clock()
        tick.clock.sec = 100

        def begun() -> bool:
            ticks.publish(tick)
            return node.get_clock().now().nanoseconds > 0

        until(begun, 'sim time began')
    with Reader(tmp_path / 'bag') as reader:
        assert (reader.message_count, reader.start_time, reader.duration) == (1, 100 * 10**9, 1)


def test_what_came_before_the_first_clock_stands_before_what_comes_after(graph, tmp_path) -> None:
    with recording_before_the_clock(graph, tmp_path / 'bag') as (recorder, node, said):
        node.set_parameters([Parameter('use_sim_time', value=False)])
        said.publish(String(data='late'))
        until(lambda: recorder.counts['/said'] == 2, 'the other came')
    with Reader(tmp_path / 'bag') as reader:
        found = [deserialize_message(data, String).data for *_, data in reader.messages()]
    assert found == ['early', 'late']


def test_two_topics_whose_names_are_swapped_are_recorded_under_their_own(graph, tmp_path) -> None:
    swap = ['--ros-args', '-r', '/left:=/right', '-r', '/right:=/left']
    for name, qos in (('/left', QoSProfile(depth=1)), ('/right', LATCHED)):
        graph.observer.create_publisher(String, name, qos).publish(String(data=name))
    with recording(graph, tmp_path / 'bag', '/left', cli_args=swap) as (recorder, _):
        until(lambda: recorder.counts['/right'] == 1, 'the latched message came')
    with Reader(tmp_path / 'bag') as reader:
        (told,) = reader.messages()
    assert (told[0].topic, deserialize_message(told[2], String).data) == ('/right', '/right')


def test_the_recorder_refuses_such_a_name_without_a_traceback(tmp_path):
    log = tmp_path / 'record.log'
    arguments = [str(tmp_path / 'bag'), '--topics', 'bad topic']
    process = ChildProcess('sds_perception.ros.bags.record', arguments, log)
    refusal = "record ended with 2: record: 'bad topic' cannot be"
    with pytest.raises(VehicleError, match=refusal), process:
        wait_until(lambda: not process.running, 20.0, 'its end')
    assert 'Traceback' not in log.read_text()


def test_a_recording_never_replaces_a_bag(tmp_path):
    log, bag = tmp_path / 'record.log', tmp_path / 'bag'
    bag.mkdir()
    process = ChildProcess('sds_perception.ros.bags.record', [str(bag), '--topics', '/x'], log)
    with pytest.raises(Exception, match='exists already'), process:
        wait_until(lambda: not process.running, 20.0, 'its end')


@pytest.mark.parametrize('storage', STORAGES)
def test_what_is_heard_on_another_thread_is_kept_in_either_storage(graph, tmp_path, storage):
    graph.observer.create_publisher(String, '/said', LATCHED).publish(String(data='it'))
    with recording(graph, tmp_path / 'bag', '/said', storage=storage) as (recorder, _):
        until(lambda: recorder.counts['/said'] == 1, 'the latched message came')
    with Reader(tmp_path / 'bag') as reader:
        assert reader.message_count == 1


def test_a_publisher_that_comes_back_and_offers_less_is_heard_again(graph, tmp_path):
    reliable = graph.observer.create_publisher(String, '/said', LATCHED)
    reliable.publish(String(data='before'))
    with recording(graph, tmp_path / 'bag', '/said') as (recorder, _):
        until(lambda: recorder.counts['/said'] == 1, 'the first came')
        graph.observer.destroy_publisher(reliable)
        lossy = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        again = graph.observer.create_publisher(String, '/said', lossy)

        def heard() -> bool:
            again.publish(String(data='after'))
            return recorder.counts['/said'] > 1

        until(heard, 'the weaker publisher is heard')
