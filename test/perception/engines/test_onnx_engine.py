"""ONNX Runtime says what torch says, from files that are whole, and refuses by name."""

from __future__ import annotations

import os
import sys

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from sds_perception.engines import EngineError, export, onnx_session
from sds_perception.engines.choose import build_engine, require_int8
from sds_perception.engines.export import (
    INPUT,
    GraphShape,
    exported_onnx,
    onnx_path,
    release_key,
)
from sds_perception.engines.onnx_engine import OnnxEngine
from sds_perception.engines.precision import cpu_computes_bf16, require_precision
from sds_perception.engines.quantise import calibrate
from sds_perception.engines.torch_engine import TorchEngine
from sds_perception.release import untrained_release

FINE = GraphShape((64, 96), 'fine')


def frames_of(count=1):
    return np.zeros((count, 64, 96, 3), np.uint8)


@pytest.fixture(scope='module')
def engine(small_release, cache):
    return OnnxEngine(small_release, detail='fine', cache=cache, threads=1)


def test_onnx_and_torch_give_the_same_maps_for_any_number_of_frames(engine, small_release, frames):
    wanted = TorchEngine(small_release, detail='fine')(frames)
    assert len(np.unique(wanted.labels)) > 3
    for count in (1, 3, 2):
        found = engine(frames[:count])
        assert (found.labels == wanted.labels[:count]).mean() > 0.999
        np.testing.assert_allclose(found.disparity, wanted.disparity[:count], atol=1e-5)
        np.testing.assert_allclose(found.logits, wanted.logits[:count], atol=1e-3)
        assert np.abs(found.confidence.astype(int) - wanted.confidence[:count]).max() <= 1


def test_a_session_has_as_many_threads_as_it_is_told_and_they_do_not_spin(engine):
    settings = engine._session.get_session_options()
    assert settings.intra_op_num_threads == 1
    assert settings.get_session_config_entry('session.intra_op.allow_spinning') == '0'


def test_the_same_buffers_serve_every_frame(engine, frames):
    first = engine(frames[:1])
    second = engine(frames[1:2])
    assert all(np.shares_memory(a, b) for a, b in zip(first[:4], second[:4], strict=True))


def test_frames_that_are_not_contiguous_are_read_right(engine, frames):
    padded = np.concatenate((frames, frames), axis=2)[:1, :, :96]
    expected = engine(frames[:1]).labels.copy()
    np.testing.assert_array_equal(engine(padded).labels, expected)


def test_the_exported_graph_has_only_fixed_shapes_and_small_outputs(small_release, cache):
    graph = onnx.load(exported_onnx(small_release, FINE, cache)).graph
    shapes = {
        each.name: [d.dim_value for d in each.type.tensor_type.shape.dim]
        for each in (*graph.input, *graph.output)
    }
    assert shapes == {
        'frames': [1, 64, 96, 3],
        'labels': [1, 16, 24],
        'confidence': [1, 16, 24],
        'disparity': [1, 16, 24],
        'logits': [1, 19, 16, 24],
    }
    assert not any(node.op_type == 'BatchNormalization' for node in graph.node)


def test_the_cache_is_read_and_named_by_weights_shape_and_detail(small_release, engine, cache):
    path = onnx_path(small_release, FINE, cache)
    before = path.stat().st_mtime_ns
    assert exported_onnx(small_release, FINE, cache) == path
    assert path.stat().st_mtime_ns == before
    others = [
        onnx_path(small_release, GraphShape((64, 96), 'fast'), cache),
        onnx_path(small_release, GraphShape((64, 64), 'fine'), cache),
        onnx_path(small_release, GraphShape((64, 96), 'fine', half=True), cache),
    ]
    assert len({path, *others}) == 4
    other = untrained_release(small_release.network_config, (64, 96), seed=4)
    assert release_key(other) != release_key(small_release)


@pytest.mark.parametrize('changed', ['model', 'encoder', 'heads'])
@pytest.mark.parametrize(('added', 'stays'), [('\nEDITED = 1\n', False), ('# edited\n', True)])
def test_the_name_in_the_cache_changes_with_our_code_and_not_with_words_about_it(
    small_release, monkeypatch, changed, added, stays
):
    before = onnx_path(small_release, FINE)
    source, module = export.inspect.getsource, getattr(export.network, changed)
    edited = lambda each: source(each) + (added if each is module else '')  # noqa: E731
    monkeypatch.setattr(export.inspect, 'getsource', edited)
    assert (onnx_path(small_release, FINE) == before) == stays


def test_the_name_in_the_cache_changes_with_the_exporter_and_with_timm(small_release, monkeypatch):
    names = {onnx_path(small_release, FINE)}
    monkeypatch.setattr(export.timm, '__version__', '9.9')
    names.add(onnx_path(small_release, FINE))
    source = export.inspect.getsource
    edited = lambda each: source(each) + ('EDITED = 1' if each is export else '')  # noqa: E731
    monkeypatch.setattr(export.inspect, 'getsource', edited)
    assert len({*names, onnx_path(small_release, FINE)}) == 3


def test_what_is_built_is_read_from_a_cache_that_cannot_be_written(
    small_release, engine, cache, tmp_path, monkeypatch
):
    monkeypatch.setattr(os, 'access', lambda *_: False)
    assert exported_onnx(small_release, FINE, cache) == onnx_path(small_release, FINE, cache)
    for build in (exported_onnx, lambda *given: calibrate(*given[:2], frames_of(), given[2])):
        with pytest.raises(EngineError, match='cannot be written'):
            build(small_release, FINE, tmp_path)


def test_a_damaged_graph_is_refused_by_its_path_and_with_the_way_out(
    small_release, cache, tmp_path
):
    shapes = [GraphShape((64, 96), 'fine', streamlined=each) for each in (True, False)]
    paths = [onnx_path(small_release, each, tmp_path) for each in shapes]
    for path in paths:
        path.write_bytes(exported_onnx(small_release, FINE, cache).read_bytes()[:1000])
    with pytest.raises(EngineError, match=f'{paths[0]}, which is built again once it is deleted'):
        OnnxEngine(small_release, detail='fine', cache=tmp_path)
    with pytest.raises(EngineError, match=f'{paths[1]}, which is built again once it is deleted'):
        calibrate(small_release, FINE, frames_of(), tmp_path)


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        ({'provider': 'tpu'}, "provider is 'tpu'"),
        ({'provider': 'tensorrt'}, 'does not run on device cpu'),
        ({'device': 'gpu'}, "device is 'gpu'"),
        ({'precision': 'fp16'}, 'does not compute in it: wanted fp32 or int8'),
        ({'precision': 'int8', 'input_size': (64, 64)}, 'sds-engine build'),
    ],
)
def test_what_cannot_be_had_is_refused_in_a_sentence(small_release, cache, options, sentence):
    with pytest.raises(EngineError, match=sentence):
        OnnxEngine(small_release, cache=cache, **options)


def test_a_missing_provider_is_refused_with_those_there_are(small_release, cache):
    runtime = pytest.importorskip('onnxruntime')
    if 'CUDAExecutionProvider' in runtime.get_available_providers():
        pytest.skip('this ONNX Runtime has the CUDA provider')
    with pytest.raises(EngineError, match='no CUDAExecutionProvider.*CPUExecutionProvider'):
        build_engine(small_release, 'onnxruntime', 'cuda', cache=cache)


def test_int8_on_a_gpu_without_tensorrt_is_refused_before_anybody_calibrates(monkeypatch):
    monkeypatch.setattr(onnx_session, 'require_provider', lambda provider, kind: None)  # a GPU
    with pytest.raises(EngineError, match="'int8' with onnxruntime cuda.* wanted fp16 or fp32"):
        require_int8('onnxruntime', 'cuda')
    require_int8('onnxruntime', 'cuda', 'tensorrt')


def test_wrong_frames_are_refused(engine):
    with pytest.raises(EngineError, match='wanted uint8'):
        engine(np.zeros((1, 64, 64, 3), np.uint8))


def test_without_onnxscript_the_export_is_refused(small_release, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnxscript', None)
    with pytest.raises(EngineError, match='onnxscript'):
        exported_onnx(small_release, FINE, tmp_path)


def test_a_cache_that_cannot_be_made_is_refused(small_release, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(EngineError, match='cannot be made'):
        exported_onnx(small_release, FINE, tmp_path / 'file' / 'below')


def test_a_graph_for_tensorrt_begins_with_a_cast(small_release, cache):
    shapes = [GraphShape((64, 96), 'fine', streamlined=each) for each in (False, True)]
    plain, cpu = (onnx.load(exported_onnx(small_release, each, cache)) for each in shapes)
    assert reader_of_input(plain) == 'Cast' and reader_of_input(cpu) == 'Transpose'


def test_an_int8_graph_for_tensorrt_has_no_numbers_that_it_does_not_take(
    small_release, frames, cache
):
    path = calibrate(small_release, GraphShape((64, 96)), frames, cache, provider='tensorrt')
    graph = onnx.load(path).graph
    wide = {each.name for each in graph.initializer if each.data_type == onnx.TensorProto.INT32}
    scaled = [node for node in graph.node if node.op_type == 'DequantizeLinear']
    assert scaled and not wide.intersection(node.input[0] for node in scaled)
    offsets = [numpy_helper.to_array(each) for each in numbers_named(graph, '_zero_point')]
    assert all(each.dtype == np.int8 and not each.any() for each in offsets)


def test_an_int8_graph_for_cpus_has_weights_whose_sums_fit_into_16_bits(
    small_release, frames, cache
):
    graph = onnx.load(calibrate(small_release, GraphShape((64, 96)), frames, cache)).graph
    kinds = {each.data_type for each in numbers_named(graph, '_zero_point')}
    assert onnx.TensorProto.UINT8 in kinds  # of what flows between the layers
    weights = [numpy_helper.to_array(each) for each in numbers_named(graph, '_quantized')]
    assert max(np.abs(each.astype(int)).max() for each in weights if each.dtype == np.int8) <= 64


def numbers_named(graph, ending: str) -> list:
    return [each for each in graph.initializer if each.name.endswith(ending)]


def reader_of_input(model) -> str:
    (reader,) = [node for node in model.graph.node if INPUT in node.input]
    return reader.op_type


def test_bf16_runs_only_on_cpus_that_compute_it():
    for flag in ('avx512_bf16', 'amx_bf16', 'bf16'):
        assert cpu_computes_bf16(f'flags : avx512f {flag} fma')
    assert not cpu_computes_bf16('flags : avx2 avx512f fma')
    if not cpu_computes_bf16():
        with pytest.raises(EngineError, match='only emulates it'):
            require_precision('bf16', 'torch cpu')


@pytest.mark.gpu
def test_on_cuda_the_recorded_graph_serves_changing_frames(small_release, frames):
    torch = pytest.importorskip('torch')
    if not torch.cuda.is_available():
        pytest.skip('no CUDA device')
    engine = TorchEngine(small_release, 'cuda', detail='fine')
    wanted = TorchEngine(small_release, detail='fine')(frames)
    for place in (0, 1, 2, 0):
        found = engine(frames[place : place + 1])
        assert (found.labels[0] == wanted.labels[place]).mean() > 0.98
        assert found.labels_at is not None
        assert (found.labels_at(0, (16, 24)) == found.labels[0]).mean() > 0.99
