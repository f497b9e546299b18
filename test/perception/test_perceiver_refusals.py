"""What a Perceiver refuses, and what it names."""

from __future__ import annotations

from unittest.mock import Mock

import numpy as np
import pytest
import torch

from sds_perception.camera import Camera
from sds_perception.engines import EngineError
from sds_perception.perceiver import FrameError, Perceiver
from sds_perception.release import Release

FRAME = np.zeros((90, 150, 3), np.uint8)


@pytest.fixture(scope='module')
def perceiver(metric_release: Release) -> Perceiver:
    return Perceiver.from_release(metric_release)


@pytest.mark.parametrize('rgb', [
    FRAME.astype(np.float32),
    FRAME.astype(np.uint16),
    FRAME[..., 0],
    FRAME[..., :2],
    np.zeros((4, 5, 4), np.uint8),
    np.zeros((0, 5, 3), np.uint8),
    FRAME[None],
], ids=lambda rgb: f'{rgb.dtype}{rgb.shape}')  # fmt: skip
def test_what_is_no_frame_is_refused_by_type_and_shape(perceiver, rgb):
    with pytest.raises(FrameError, match=f'{rgb.dtype} of shape'):
        perceiver(rgb)


@pytest.mark.parametrize(('width', 'height'), [(300, 180), (300, 90), (150, 180)])
def test_a_camera_of_another_size_is_refused_with_both_sizes(perceiver, width, height):
    with pytest.raises(FrameError, match=f'{width}x{height} picture, the frame is 150x90'):
        perceiver(FRAME, Camera.guess(width, height))


@pytest.mark.parametrize(('options', 'named'), [
    ({'output_size': 'big'}, "output size is 'big'"),
    ({'output_size': 0.0}, 'output size is 0.0'),
    ({'output_size': -1}, 'output size is -1'),
    ({'output_size': float('nan')}, 'output size is nan'),
])  # fmt: skip
def test_options_that_cannot_be_meant_are_refused_before_the_first_frame(
    perceiver, options, named
):
    with pytest.raises(ValueError, match=named):
        Perceiver(perceiver.release, perceiver.engine, **options)


@pytest.mark.skipif(torch.cuda.is_available(), reason='CUDA is here')
def test_cuda_without_cuda_is_refused(metric_release):
    with pytest.raises(EngineError, match="device is 'cuda'"):
        Perceiver.from_release(metric_release, device='cuda')


def test_an_unknown_engine_is_refused_by_name(metric_release):
    with pytest.raises(EngineError, match="engine is 'tensorflow'"):
        Perceiver.from_release(metric_release, engine='tensorflow')


@pytest.mark.parametrize('agrees', [True, False])
def test_that_another_engine_runs_is_told_only_where_the_one_asked_for_disagrees(
    perceiver, agrees
):
    report = Mock(passed=agrees)
    refusal = Perceiver(perceiver.release, perceiver.engine, parity=report).refusal
    assert refusal.endswith(f'{perceiver.engine.name} runs in its place') is not agrees
    assert (refusal == '') is agrees
