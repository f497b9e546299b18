"""OpenVINO says what torch says, in bfloat16 where the CPU has it, in int8 once calibrated."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from sds_perception.engines import EngineError
from sds_perception.engines.choose import build_engine
from sds_perception.engines.export import GraphShape, exported_onnx, onnx_path
from sds_perception.engines.onnx_engine import OnnxEngine
from sds_perception.engines.openvino_engine import OpenVinoEngine
from sds_perception.engines.parity import build_checked_engine
from sds_perception.engines.precision import cpu_computes_bf16
from sds_perception.engines.quantise import calibrate
from sds_perception.engines.reference_frames import synthetic_frames
from sds_perception.engines.torch_engine import TorchEngine

pytest.importorskip('openvino', reason='the optional package openvino is not installed')


GOES_FIRST = """
import signal, sys
from sds_perception.engines.openvino_engine import OpenVinoEngine
from sds_perception.network import NETWORKS
from sds_perception.release import untrained_release
release = untrained_release(NETWORKS['tiny'], (64, 96))
first, second = (OpenVinoEngine(release, cache=sys.argv[1], threads=1) for _ in range(2))
del first
del second
heard = []
signal.signal(signal.SIGINT, lambda *_: heard.append(1))
signal.raise_signal(signal.SIGINT)
sys.exit(heard != [1])
"""


@pytest.fixture(scope='module')
def engine(small_release, cache):
    return OpenVinoEngine(small_release, detail='fine', cache=cache, threads=1)


def test_openvino_and_torch_give_the_same_maps_for_any_number_of_frames(
    engine, small_release, frames
):
    wanted = TorchEngine(small_release, detail='fine')(frames)
    assert len(np.unique(wanted.labels)) > 3
    for count in (1, 3, 2):
        found = engine(frames[:count])
        assert (found.labels == wanted.labels[:count]).mean() > 0.999
        np.testing.assert_allclose(found.disparity, wanted.disparity[:count], atol=1e-5)
        np.testing.assert_allclose(found.logits, wanted.logits[:count], atol=1e-3)
        assert np.abs(found.confidence.astype(int) - wanted.confidence[:count]).max() <= 1


def test_the_fast_graph_gives_no_scores(small_release, cache, frames):
    assert OpenVinoEngine(small_release, cache=cache, threads=1)(frames[:1]).logits is None


def test_frames_that_are_not_contiguous_are_read_right(engine, frames):
    padded = np.concatenate((frames, frames), axis=2)[:1, :, :96]
    np.testing.assert_array_equal(engine(padded).labels, engine(frames[:1]).labels)


def test_bfloat16_agrees_where_the_cpu_computes_it_and_is_refused_elsewhere(small_release, cache):
    options = {'precision': 'bf16', 'cache': cache, 'threads': 1}
    if not cpu_computes_bf16():
        with pytest.raises(EngineError, match='only emulates it'):
            build_engine(small_release, 'openvino', 'cpu', **options)
        return
    built, report = build_checked_engine(small_release, 'openvino', 'cpu', **options)
    assert report is not None and report.precision == 'bf16' and report.labels > 0.9
    assert report.passed == isinstance(built, OpenVinoEngine)


def test_one_calibration_serves_onnx_runtime_and_openvino(small_release, cache):
    frames = synthetic_frames((64, 96), 4)
    calibrate(small_release, GraphShape((64, 96)), frames, cache)
    ours = OpenVinoEngine(small_release, precision='int8', cache=cache, threads=1)
    theirs = OnnxEngine(small_release, precision='int8', cache=cache, threads=1)
    plain = TorchEngine(small_release)(frames)
    of_ours, of_theirs = ours(frames[:1]), theirs(frames[:1])
    assert ours.precision == 'int8'
    assert (of_ours.labels == of_theirs.labels).mean() > 0.75  # eight-channel layers are coarse
    assert 0.75 < (of_ours.labels == plain.labels[:1]).mean() < 1  # it is quantised
    assert np.median(np.abs(of_ours.disparity / of_theirs.disparity - 1)) < 0.1


@pytest.mark.parametrize(
    ('device', 'options', 'sentence'),
    [
        ('cuda', {}, "device is 'cuda', engine openvino runs on 'cpu' only"),
        ('cpu', {'precision': 'int8', 'input_size': (64, 64)}, 'sds-engine build'),
        ('cpu', {'precision': 'fp16'}, 'wanted fp32 or bf16 or int8'),
    ],
)
def test_what_cannot_be_had_is_refused_in_a_sentence(
    small_release, cache, device, options, sentence
):
    with pytest.raises(EngineError, match=sentence):
        build_engine(small_release, 'openvino', device, cache=cache, **options)


def test_without_the_package_it_is_refused(small_release, cache, monkeypatch):
    monkeypatch.setitem(sys.modules, 'openvino', None)
    with pytest.raises(EngineError, match='needs the package openvino'):
        OpenVinoEngine(small_release, cache=cache)


def test_a_damaged_graph_is_refused_by_its_path_and_with_the_way_out(
    small_release, cache, tmp_path
):
    shape = GraphShape((64, 96))
    path = onnx_path(small_release, shape, tmp_path)
    path.write_bytes(exported_onnx(small_release, shape, cache).read_bytes()[:1000])
    with pytest.raises(
        EngineError, match=f'{path}, which is built again once it is deleted'
    ) as told:
        OpenVinoEngine(small_release, cache=tmp_path)
    assert '\n' not in str(told.value)  # OpenVINO itself says it in several lines


def test_wrong_frames_are_refused(engine):
    with pytest.raises(EngineError, match='wanted uint8'):
        engine(np.zeros((1, 64, 64, 3), np.uint8))


def test_ctrl_c_is_survived_whichever_engine_goes_first(tmp_path):
    """In a process of its own: what breaks this law is a segmentation fault."""
    done = subprocess.run([sys.executable, '-c', GOES_FIRST, str(tmp_path)], timeout=120)
    assert done.returncode == 0
