"""An engine that disagrees with the reference does not run, and everybody hears of it."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from sds_perception.engines import EngineError, choose, parity, precision
from sds_perception.engines.export import GraphShape
from sds_perception.engines.onnx_engine import OnnxEngine
from sds_perception.engines.parity import build_checked_engine, measure_parity
from sds_perception.engines.quantise import calibrate
from sds_perception.engines.reference_frames import synthetic_frames
from sds_perception.engines.torch_engine import TorchEngine
from sds_perception.perceiver import Perceiver
from sds_perception.resampling import fine_labels

SHAPE = GraphShape((64, 96))


class Altered:
    """An engine that changes what a real one says about some pixels."""

    def __init__(self, engine, precision='fp32', wrong_labels=0, depth_factor=1.0, surer=0):
        self.engine, self.precision = engine, precision
        self.name, self.input_size = 'altered', engine.input_size
        self.graph_file = engine.graph_file
        self.wrong_labels, self.depth_factor, self.surer = wrong_labels, depth_factor, surer

    def __call__(self, frames):
        output = self.engine(frames)
        labels, disparity = output.labels.copy(), output.disparity * self.depth_factor
        labels.reshape(-1)[: self.wrong_labels] ^= 1
        return output._replace(
            labels=labels,
            disparity=disparity.astype(np.float32),
            confidence=output.confidence + np.uint8(self.surer),
        )


@pytest.fixture(scope='module')
def reference(small_release):
    return TorchEngine(small_release)


def test_the_reference_agrees_with_itself_exactly(reference, small_release, frames):
    report = measure_parity(reference, small_release, frames)
    assert report.labels == 1 and report.depth_maximum == 0 and report.confidence == 0


@pytest.mark.parametrize(
    ('alteration', 'passes'),
    [
        ({'wrong_labels': 1, 'depth_factor': 1.00001}, False),  # 1 of 384 pixels is 0.26 %
        ({'depth_factor': 1.00005}, True),
        ({'depth_factor': 1.001}, False),
        ({'wrong_labels': 1, 'depth_factor': 1.003, 'precision': 'fp16'}, True),
        ({'wrong_labels': 4, 'precision': 'fp16'}, False),
        ({'depth_factor': 1.01, 'precision': 'fp16'}, False),
        ({'wrong_labels': 4, 'depth_factor': 1.01, 'precision': 'int8'}, True),
        ({'wrong_labels': 12, 'precision': 'int8'}, False),
        ({'depth_factor': 1.05, 'precision': 'int8'}, False),
        ({'surer': 1}, False),  # of 255
        ({'surer': 2, 'precision': 'fp16'}, True),
        ({'surer': 3, 'precision': 'fp16'}, False),
        ({'surer': 7, 'precision': 'bf16'}, True),
        ({'surer': 8, 'precision': 'bf16'}, False),
        ({'surer': 7, 'precision': 'int8'}, True),
        ({'surer': 8, 'precision': 'int8'}, False),
    ],
)
def test_each_precision_has_its_limits(reference, small_release, frames, alteration, passes):
    report = measure_parity(Altered(reference, **alteration), small_release, frames)
    assert report.passed is passes
    assert ('DISAGREES' in str(report)) is not passes


@pytest.mark.parametrize('precision', ['fp16', 'bf16', 'int8'])
def test_depth_that_is_wrong_in_an_eighth_of_the_picture_is_caught(
    reference, small_release, frames, precision
):
    height = reference(frames[:1]).disparity.shape[1]
    near = np.where(np.arange(height) < 0.85 * height, 1.0, 0.25)[:, None]
    report = measure_parity(Altered(reference, precision, 0, near), small_release, frames)
    assert report.depth_median == 0 and not report.passed


@pytest.mark.parametrize(
    ('share', 'factor', 'passes'),
    [(0.05, 1.0005, True), (0.05, 1.002, False), (0.2, 1.0005, False)],
)
def test_large_tiles_may_round_in_some_pixels_but_neither_in_many_nor_far(
    reference, small_release, frames, share, factor, passes
):
    height, width = reference(frames[:1]).disparity.shape[1:]
    places = np.arange(height * width).reshape(height, width)
    changed = np.where(places < share * height * width, factor, 1.0)
    report = measure_parity(Altered(reference, 'winograd', 0, changed), small_release, frames)
    assert report.passed is passes
    plain = measure_parity(Altered(reference, 'fp32', 0, changed), small_release, frames)
    assert not plain.passed


def shifted(labels):
    """Unless they are as small as the network's, two pixels to the right."""
    return np.roll(labels, 2 * (labels.shape == (64, 96)), axis=1)


@pytest.mark.parametrize(
    'lie',
    [
        lambda said: {'confidence': 255 - said.confidence},
        lambda said: {'logits': -said.logits},
        lambda said: {'logits': None, 'labels_at': lambda place, size: np.zeros(size, np.uint8)},
        lambda said: {'labels_at': lambda place, size: shifted(fine_labels(said.logits[0], size))},
    ],
    ids=['confidence', 'scores', 'labels made on the device', 'labels in the frame'],
)
def test_an_engine_whose_labels_and_depth_are_right_and_nothing_else_is_caught(
    small_release, frames, lie
):
    fine = TorchEngine(small_release, detail='fine')
    liar = lambda given: (said := fine(given))._replace(**lie(said))  # noqa: E731
    liar.name, liar.precision, liar.input_size = 'liar', 'int8', fine.input_size
    assert measure_parity(fine, small_release, frames).passed
    assert not measure_parity(liar, small_release, frames).passed


def test_an_engine_that_is_wrong_in_the_last_frame_only_is_caught(
    reference, small_release, frames
):
    factors = iter([1.0] * (len(frames) - 1) + [2.0])

    def liar(given):
        said = reference(given)
        return said._replace(disparity=said.disparity * np.float32(next(factors)))

    liar.name, liar.precision, liar.input_size = 'liar', 'int8', reference.input_size
    assert not measure_parity(liar, small_release, frames).passed


def test_labels_made_on_the_device_are_compared_with_those_of_the_scores(small_release, frames):
    fine = TorchEngine(small_release, detail='fine')

    def on_device(given):
        said = fine(given)
        scores = said.logits
        return said._replace(
            logits=None, labels_at=lambda place, size: fine_labels(scores[place], size)
        )

    on_device.name, on_device.precision, on_device.input_size = 'any', 'fp32', fine.input_size
    assert measure_parity(on_device, small_release, frames).labels == 1


def test_torch_in_another_precision_is_compared_as_any_engine_is(small_release, monkeypatch):
    monkeypatch.setattr(precision, 'require_bf16', lambda place: None)
    _, report = build_checked_engine(small_release, 'torch', 'cpu', precision='bf16')
    assert report is not None and report.precision == 'bf16'
    assert build_checked_engine(small_release, 'torch', 'cpu')[1] is None  # the reference itself


@pytest.fixture
def disagreeing(monkeypatch):
    """Whatever engine is built says something else than the reference."""

    def built(*arguments, **options):
        return Altered(choose.build_engine(*arguments, **options), wrong_labels=100)

    monkeypatch.setattr(parity, 'build_engine', built)


def test_an_engine_that_agrees_runs_with_its_report(small_release, cache):
    engine, report = build_checked_engine(small_release, 'onnxruntime', 'cpu', cache=cache)
    assert isinstance(engine, OnnxEngine)
    assert report is not None and report.passed and 'agrees' in str(report)


def test_an_engine_that_agrees_is_no_reason_to_warn(small_release, cache):
    perceiver = Perceiver.from_release(small_release, engine='onnxruntime', cache=cache)
    assert perceiver.parity.passed and perceiver.refusal == ''


def test_an_engine_that_disagrees_is_replaced_by_the_reference_loudly(
    small_release, cache, caplog, disagreeing
):
    with caplog.at_level(logging.WARNING, 'sds_perception'):
        perceiver = Perceiver.from_release(small_release, engine='onnxruntime', cache=cache)
    assert perceiver.engine.name == 'torch cpu float32'
    assert 'REFUSED' in caplog.text
    assert 'altered DISAGREES' in perceiver.refusal
    assert perceiver.refusal.endswith('torch cpu float32 runs in its place')


def test_the_reference_in_its_place_leaves_the_same_cores_free(small_release, cache, disagreeing):
    before = torch.get_num_threads()
    try:
        engine, _ = build_checked_engine(
            small_release, 'onnxruntime', 'cpu', cache=cache, threads=before + 1
        )
        engine(np.zeros((1, *engine.input_size, 3), np.uint8))
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_the_reference_in_its_place_has_the_size_and_the_detail_asked_for(
    small_release, cache, disagreeing
):
    engine, _ = build_checked_engine(
        small_release, 'onnxruntime', 'cpu', cache=cache, input_size=(32, 64), detail='fine'
    )
    assert engine.input_size == (32, 64)
    assert engine(np.zeros((1, 32, 64, 3), np.uint8)).logits is not None


def test_an_engine_that_was_built_and_does_not_run_is_refused_in_a_sentence(
    small_release, cache, frames
):
    engine = OnnxEngine(small_release, cache=cache)
    engine.input_size = (32, 64)  # the graph is of another, as only its runtime will tell
    with pytest.raises(EngineError, match='onnxruntime cpu fp32 was built but does not run here'):
        measure_parity(engine, small_release, frames[:, :32, :64])


def test_an_engine_for_other_weights_is_caught(small_release, cache, frames):
    weights = {name: tensor.clone() for name, tensor in small_release.weights.items()}
    weights['semantic_head.score.bias'][7] += 5
    engine, others = (
        OnnxEngine(small_release, cache=cache),
        replace(small_release, weights=weights),
    )
    assert not measure_parity(engine, others, frames).passed


def test_a_calibrated_engine_is_compared_at_every_start_on_frames_it_was_calibrated_on(
    small_release, cache
):
    frames = synthetic_frames((64, 96), 10)[1:]
    calibrate(small_release, SHAPE, frames, cache)
    compared = parity.frames_for(OnnxEngine(small_release, precision='int8', cache=cache))
    assert np.array_equal(compared, frames[::3])
    plain = parity.frames_for(OnnxEngine(small_release, cache=cache))
    assert np.array_equal(plain, synthetic_frames((64, 96)))


def test_synthetic_frames_are_always_the_same_and_mostly_smooth():
    first, second = synthetic_frames((64, 96), 2), synthetic_frames((64, 96), 2)
    np.testing.assert_array_equal(first, second)
    steps = np.abs(np.diff(first.astype(int), axis=2))
    assert np.median(steps) < 12 and steps.max() > 60
    assert (first[0] != first[1]).mean() > 0.5


@pytest.mark.parametrize(
    ('device', 'installed', 'pays', 'widest', 'wanted'),
    [
        ('cpu', {'openvino', 'MNN', 'onnxruntime'}, True, 'AVX512', ('openvino', 'bf16')),
        ('cpu', {'openvino', 'MNN', 'onnxruntime'}, False, 'AVX2', ('mnn', '')),
        ('cpu', {'openvino', 'MNN', 'onnxruntime'}, False, 'AVX512', ('openvino', '')),
        ('cpu', {'MNN', 'onnxruntime'}, False, 'AVX512', ('onnxruntime', '')),
        ('cpu', {'openvino', 'onnxruntime'}, False, 'AVX2', ('onnxruntime', '')),
        ('cpu', {'MNN'}, False, 'AVX512', ('mnn', '')),
        ('cpu', {'onnxruntime'}, True, 'AVX512', ('onnxruntime', '')),
        ('cpu', set(), True, 'AVX512', ('torch', '')),
        ('cuda', {'openvino', 'MNN', 'onnxruntime'}, True, 'AVX512', ('torch', '')),
    ],
)
def test_the_quickest_engine_is_one_that_is_there(
    monkeypatch, device, installed, pays, widest, wanted
):
    monkeypatch.setattr(choose, 'find_spec', lambda name: name in installed or None)
    monkeypatch.setattr(choose, 'bf16_pays', lambda: pays)
    monkeypatch.setattr(choose.torch.backends.cpu, 'get_cpu_capability', lambda: widest)
    assert choose.quickest_engine(device) == wanted
