"""int8: ranges of the user's frames, weights and features in bytes."""

from __future__ import annotations

import logging
import shlex

import numpy as np
import pytest
from onnxruntime.quantization.calibrate import HistogramCalibrater, MinMaxCalibrater

from sds_perception.engines import EngineError, quantise
from sds_perception.engines.export import GraphShape
from sds_perception.engines.onnx_engine import OnnxEngine
from sds_perception.engines.parity import measure_parity
from sds_perception.engines.quantise import (
    METHODS,
    calibrate,
    calibrated_onnx,
    calibrated_path,
    kept_frames,
    onnx_graph,
)
from sds_perception.engines.reference_frames import synthetic_frames

SHAPE = GraphShape((64, 96))


@pytest.mark.parametrize('method', METHODS)
def test_int8_is_calibrated_on_frames_and_stays_near_the_reference(small_release, cache, method):
    frames, loudness = synthetic_frames((64, 96), 8), logging.getLogger().level
    graph = calibrate(small_release, SHAPE, frames, cache, method)
    assert logging.getLogger().level == loudness
    np.testing.assert_array_equal(kept_frames(graph), frames[::2])  # spread over all
    engine = OnnxEngine(small_release, precision='int8', cache=cache)
    report = measure_parity(engine, small_release, synthetic_frames((64, 96), 2))
    assert 0.75 < report.labels < 1  # eight-channel layers are coarse; real ones come nearer
    assert 0 < report.depth_median < 0.1


@pytest.mark.parametrize('method', METHODS)
def test_calibrating_keeps_what_one_frame_said_not_what_all_did(
    small_release, cache, method, monkeypatch
):
    kind = {'minmax': MinMaxCalibrater, 'percentile': HistogramCalibrater}[method]
    forget, kept = kind.clear_collected_data, []

    def counted(self):
        kept.append(len(self.intermediate_outputs))
        forget(self)

    monkeypatch.setattr(kind, 'clear_collected_data', counted)
    calibrate(small_release, SHAPE, synthetic_frames((64, 96), 3), cache, method)
    assert kept == [1, 1, 1]


def test_a_calibrated_graph_is_named_by_its_runtime_and_by_the_code_that_quantised_it(
    small_release, monkeypatch
):
    names = [calibrated_path(small_release, SHAPE, None, each) for each in ('cpu', 'tensorrt')]
    source = quantise.inspect.getsource
    edited = lambda module: source(module) + '\nEDITED = 1\n' * (module is quantise)  # noqa: E731
    monkeypatch.setattr(quantise.inspect, 'getsource', edited)
    names.append(calibrated_path(small_release, SHAPE, None))
    assert len(set(names)) == 3


@pytest.mark.parametrize('content', [b'', b'\x93NUMPY', b'nothing of the kind'])
def test_damaged_frames_of_a_calibration_are_refused_by_name(tmp_path, content):
    (tmp_path / 'graph.frames.npy').write_bytes(content)
    with pytest.raises(EngineError, match='graph.frames.npy cannot be read.*sds-engine build'):
        kept_frames(tmp_path / 'graph.onnx')


@pytest.mark.parametrize('shape', [(1, 32, 32, 3), (0, 64, 96, 3)])
def test_frames_of_another_size_and_no_frames_cannot_calibrate(small_release, cache, shape):
    with pytest.raises(EngineError, match='calibration frames'):
        calibrate(small_release, SHAPE, np.zeros(shape, np.uint8), cache)


def test_a_graph_that_was_not_calibrated_is_refused_with_the_command_that_does(
    small_release, tmp_path
):
    shape = GraphShape((32, 160), 'fine')
    options = f'--input-size 160x32 --detail fine --cache {tmp_path} --calibrate FRAMES'
    with pytest.raises(EngineError, match=f'build RELEASE --precision int8 {options}$'):
        calibrated_onnx(small_release, shape, tmp_path)


def test_the_command_that_calibrates_names_tensorrt_and_a_cache_with_a_blank(
    small_release, tmp_path
):
    cache = tmp_path / 'my cache'
    with pytest.raises(EngineError) as refused:
        onnx_graph(small_release, SHAPE, cache, 'int8', 'tensorrt')
    _, command = str(refused.value).split(': run ')
    words = ['--device', 'cuda', '--provider', 'tensorrt', '--cache', str(cache)]
    assert shlex.split(command)[5:-2] == words
