"""Warming up is done before the first frame, as the frames will come."""

from __future__ import annotations

from unittest.mock import Mock

from sds_perception.perceiver import Perceiver


def test_warming_up_is_done_with_as_many_frames_as_will_come(metric_release):
    real = Perceiver.from_release(metric_release).engine
    engine = Mock(wraps=real, input_size=real.input_size)
    Perceiver(metric_release, engine).warm_up(calls=2, frames=3)
    assert [len(call.args[0]) for call in engine.call_args_list] == [3, 3]
