"""The thread that sees: it ends when it is asked to, and is left behind where it cannot."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from node_graph import camera_info, image

from sds_perception.camera import CameraError
from sds_perception.ros import pipeline
from sds_perception.ros.cameras import Arrival
from sds_perception.ros.health import CameraHealth
from sds_perception.ros.node_config import NodeConfig
from sds_perception.ros.pipeline import Pipeline
from sds_perception.ros.scheduler import Scheduler


def test_a_thread_without_a_frame_ends_at_once() -> None:
    idle = Pipeline(None, {}, Scheduler([]), None, None)
    idle.start()
    idle.stop()
    assert not idle._thread.is_alive()


def test_a_driver_that_never_answers_does_not_keep_the_node(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answers = threading.Event()

    def never(timeout_s: float) -> list:
        answers.wait()
        return []

    scheduler = SimpleNamespace(closed=False, take=never, close=lambda: None)
    stuck = Pipeline(None, {}, scheduler, None, None)
    monkeypatch.setattr(pipeline, 'STUCK_S', 0.1)
    stuck.start()
    try:
        stuck.stop()
        assert 'its engine is left behind' in caplog.text
    finally:
        scheduler.closed = True
        answers.set()
        stuck._thread.join(10)


def served(perceiver: Mock, channel: SimpleNamespace, *arrivals: Arrival) -> Pipeline:
    """A pipeline that is over, having taken these frames of a camera one after another."""
    waiting = list(arrivals)

    def next_one(timeout_s: float) -> list:
        frame = waiting.pop(0)
        scheduler.closed = not waiting
        return [('front', frame)]

    scheduler = SimpleNamespace(closed=False, take=next_one, close=lambda: None)
    seeing = Pipeline(perceiver, {'front': channel}, scheduler, NodeConfig, None)
    seeing.start()
    seeing._thread.join(30)
    seeing.stop()
    return seeing


def front() -> SimpleNamespace:
    """A camera whose finishing and publishing do nothing."""
    source = SimpleNamespace(health=CameraHealth('front'))
    return SimpleNamespace(finish=Mock(), source=source, lens=Mock(), outputs=Mock())


def unstamped(**more: object) -> Arrival:
    return Arrival(image(stamp=(0, 0)), 0.0, **{'info': None, 'epoch': 0, **more})


def test_a_frame_brings_the_stream_that_it_belongs_to() -> None:
    camera = front()
    broken = Mock(perceive=Mock(side_effect=RuntimeError))  # what comes after is no matter here
    assert served(broken, camera, unstamped(epoch=3)).network_calls == 1
    camera.finish.follow.assert_called_once_with(3)


def test_a_frame_without_a_stamp_has_no_age_and_its_finishing_is_added_to_what_came_before() -> (
    None
):
    camera, scene = front(), SimpleNamespace(timings={'post': 5.0})
    camera.finish.return_value, camera.finish.scale = scene, ''
    served(Mock(perceive=Mock(return_value=[scene])), camera, unstamped())
    stages = camera.source.health.latency.percentiles_ms()
    assert 'total' in stages and 'age' not in stages
    assert stages['post']['p50'] >= 5000.0


def test_a_camera_info_that_serves_again_is_no_fault_any_more() -> None:
    camera, faults = front(), []
    good = SimpleNamespace(seen=lambda rgb: rgb, camera=None)
    camera.lens.read = Mock(side_effect=[CameraError('of another size'), good])

    def perceive(*_: object) -> None:
        faults.append(camera.source.health.lens_fault)
        raise RuntimeError

    served(Mock(perceive=perceive), camera, *[unstamped(info=camera_info())] * 2)
    assert faults == ['of another size', '']
