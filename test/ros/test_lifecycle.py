from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from node_graph import Graph, counts, image, until
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile

from sds_perception.engines import torch_engine
from sds_perception.perceiver import Perceiver
from sds_perception.ros.health import Level
from sds_perception.ros.session import Session
from sds_perception.ros.transitions import answered
from sds_perception.scene import Scene


def resident_mib() -> float:
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * 4096 / 2**20


def own_threads() -> int:
    """All but the pool of the test's executor, which grows as it likes."""
    return sum('ThreadPool' not in thread.name for thread in threading.enumerate())


def cycle(node) -> None:
    for step in ('configure', 'activate', 'deactivate', 'cleanup'):
        assert getattr(node, f'trigger_{step}')().name == 'SUCCESS', step


def test_twelve_lives_leave_no_threads_topics_or_memory_behind(graph: Graph) -> None:
    node = graph.node()
    for _ in range(4):
        cycle(node)
    threads, publishers = own_threads(), len(list(node.publishers))
    subscriptions, before_mib = len(list(node.subscriptions)), resident_mib()
    for _ in range(8):
        cycle(node)
    assert own_threads() == threads
    assert len(list(node.publishers)) == publishers
    assert len(list(node.subscriptions)) == subscriptions
    assert resident_mib() - before_mib < 6


def test_a_node_sees_again_after_each_activation(graph: Graph) -> None:
    node = graph.active()
    received = graph.collect('labels')
    publisher = graph.publisher()
    for _ in range(3):
        received.clear()
        until(publisher.get_subscription_count, 'the node subscribed')
        publisher.publish(image())
        until(lambda: received, 'labels came')
        node.trigger_deactivate()
        until(lambda: not publisher.get_subscription_count(), 'the node unsubscribed')
        node.trigger_activate()


def test_a_node_is_inactive_only_when_the_frame_in_hand_is_finished(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    perceive, busy = Perceiver.perceive, threading.Event()

    def slow(*frames: Any) -> list[Scene]:
        busy.set()
        time.sleep(0.2)
        return perceive(*frames)

    node = graph.active(always_run=True)
    monkeypatch.setattr(Perceiver, 'perceive', slow)
    graph.publisher().publish(image())
    assert busy.wait(60)
    node.trigger_deactivate()
    assert counts(node).get('processed') == 1


@pytest.mark.parametrize(
    ('content', 'sentence'), [(None, 'does not exist'), (b'not a release', 'damaged')]
)
def test_a_bad_release_fails_in_one_sentence_and_can_be_replaced(
    graph: Graph, tmp_path: Path, tiny_release: Path, content: bytes | None, sentence: str
) -> None:
    path = tmp_path / 'release.safetensors'
    if content is not None:
        path.write_bytes(content)
    node = graph.node(release=str(path))
    assert node.trigger_configure().name == 'FAILURE'
    assert sentence in node.trouble[1]
    assert '\n' not in node.trouble[1]
    path.write_bytes(tiny_release.read_bytes())
    assert node.trigger_configure().name == 'SUCCESS'


def test_a_configure_that_fails_leaves_no_publisher_behind(graph: Graph, tmp_path: Path) -> None:
    node = graph.node(hood_mask=str(tmp_path / 'no.png'))
    publishers = len(list(node.publishers))
    for _ in range(2):
        assert node.trigger_configure().name == 'FAILURE'
    assert 'no.png cannot be read' in node.trouble[1]
    assert len(list(node.publishers)) == publishers


def test_an_activate_that_fails_says_why_and_the_node_can_be_configured_again(
    graph: Graph, monkeypatch
) -> None:
    node = graph.node()
    node.trigger_configure()
    with monkeypatch.context() as broken:
        broken.setattr(Session, 'open', lambda _: 1 / 0)
        node.trigger_activate()
    assert node.trouble == (Level.ERROR, 'cannot activate: division by zero')
    cycle(node)


def test_threads_of_an_earlier_life_are_forgotten(graph: Graph, monkeypatch) -> None:
    own = torch.get_num_threads()
    monkeypatch.setattr(torch_engine, 'OWN_THREADS', own)
    node = graph.node(threads=own + 1)
    node.trigger_configure()
    assert torch.get_num_threads() == own + 1
    node.trigger_cleanup()
    node.set_parameters([Parameter('threads', value=0)])
    node.trigger_configure()
    assert torch.get_num_threads() == own


def test_cuda_without_cuda_is_refused_not_replaced(graph: Graph, monkeypatch) -> None:
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    node = graph.node(device='cuda')
    assert node.trigger_configure().name == 'FAILURE'
    assert 'cuda' in node.trouble[1]


@pytest.mark.usefixtures('nobody_agrees')
def test_an_engine_refused_because_it_disagrees_is_a_warning_while_another_runs(
    graph: Graph,
) -> None:
    graph.active(engine='onnxruntime')
    arrays = graph.collect('/diagnostics', DiagnosticArray, QoSProfile(depth=10))
    node = until(lambda: arrays and arrays[-1].status[0], 'diagnostics came')
    assert node.level == bytes([Level.WARN])
    assert 'DISAGREES' in node.message and 'torch cpu float32 runs' in node.message


def test_the_state_can_be_changed_from_another_node(graph: Graph) -> None:
    graph.node()
    client = graph.observer.create_client(ChangeState, '/sds_perception/change_state')
    assert client.wait_for_service(60.0)
    for step in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
        answer = client.call_async(ChangeState.Request(transition=Transition(id=step)))
        assert until(lambda answer=answer: answer.done() and answer.result(), 'answered').success


def test_a_node_can_be_shut_down_from_every_state(graph: Graph) -> None:
    for steps in ([], ['configure'], ['configure', 'activate']):
        node = graph.node()
        for step in steps:
            getattr(node, f'trigger_{step}')()
        assert node.trigger_shutdown().name == 'SUCCESS'
        graph.executor.remove_node(node)
        graph.nodes.remove(node)
        node.destroy_node()


def test_the_report_tells_counts_and_percentiles(graph: Graph, tmp_path: Path) -> None:
    node = graph.active(report_file=str(tmp_path / 'reports' / 'run.json'))
    received = graph.collect('labels')
    graph.publisher().publish(image())
    until(lambda: received and counts(node).get('processed'), 'labels came')
    node.trigger_shutdown()
    report = json.loads((tmp_path / 'reports' / 'run.json').read_text())
    camera = report['cameras']['camera']
    assert camera['counts']['processed'] == 1
    stages = {'wait', 'decode', 'prepare', 'network', 'post', 'publish', 'total', 'age'}
    assert stages <= set(camera['latency_ms'])
    assert set(camera['latency_ms']['network']) == {'p50', 'p95', 'p99'}


def test_a_transition_that_is_not_possible_now_is_refused_and_the_node_lives_on(
    graph: Graph,
) -> None:
    node = graph.node()
    client = graph.observer.create_client(ChangeState, '/sds_perception/change_state')
    assert client.wait_for_service(60.0)
    activate = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_ACTIVATE))
    answer = client.call_async(activate)
    until(answer.done, 'the node answered')
    assert not answer.result().success
    assert node.trigger_configure().name == 'SUCCESS'


def test_what_rcl_refuses_is_an_answer_and_not_the_end_of_the_process(graph: Graph) -> None:
    def refusing(request: ChangeState.Request, response: ChangeState.Response) -> None:
        raise rclpy_implementation.RCLError('Transition is not registered.')

    answer = answered(refusing, graph.observer.get_logger())
    assert not answer(ChangeState.Request(), ChangeState.Response(success=True)).success


def test_an_unconfigured_node_names_no_release(graph: Graph) -> None:
    node = graph.node()
    node.trigger_configure()
    assert node._diagnostics.about['release']
    node.trigger_cleanup()
    assert node._diagnostics.about == {}
