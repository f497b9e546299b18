"""The thread that sees: it ends when it is asked to, and is left behind where it cannot."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from node_graph import image

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


def test_a_frame_brings_the_stream_that_it_belongs_to() -> None:
    def once(timeout_s: float) -> list:
        scheduler.closed = True
        return [('front', Arrival(image(stamp=(0, 0)), 0.0, None, epoch=3))]

    scheduler = SimpleNamespace(closed=False, take=once, close=lambda: None)
    front = SimpleNamespace(finish=Mock(), source=SimpleNamespace(health=CameraHealth('front')))
    broken = Mock(perceive=Mock(side_effect=RuntimeError))  # what comes after is no matter here
    seeing = Pipeline(broken, {'front': front}, scheduler, NodeConfig, None)
    seeing.start()
    seeing.stop()
    assert seeing.network_calls == 1
    front.finish.follow.assert_called_once_with(3)
