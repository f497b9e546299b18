"""MNN says what torch says: nearly with large tiles, like float32 elsewhere with small ones."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time

import numpy as np
import pytest

from sds_perception.engines import EngineError, mnn_engine
from sds_perception.engines.choose import build_engine
from sds_perception.engines.mnn_engine import MnnEngine, talk_on_stderr
from sds_perception.engines.parity import measure_parity
from sds_perception.engines.reference_frames import synthetic_frames
from sds_perception.engines.torch_engine import TorchEngine

pytest.importorskip('MNN', reason='the optional package MNN is not installed')


@pytest.fixture
def filled(engine, tmp_path):
    """A cache of one's own that holds what `engine` was built from."""
    for file in engine.graph_file.parent.glob(f'{engine.graph_file.stem.split("-mnn")[0]}*'):
        shutil.copy(file, tmp_path)
    return tmp_path


@pytest.fixture(scope='module')
def engine(small_release, cache):
    return MnnEngine(small_release, detail='fine', cache=cache, threads=1)


def test_mnn_and_torch_give_the_same_maps_for_any_number_of_frames(engine, small_release, frames):
    wanted = TorchEngine(small_release, detail='fine')(frames)
    assert len(np.unique(wanted.labels)) > 3
    for count in (1, 3, 2):
        found = engine(frames[:count])
        assert (found.labels == wanted.labels[:count]).mean() > 0.999
        np.testing.assert_allclose(found.disparity, wanted.disparity[:count], atol=1e-4)
        np.testing.assert_allclose(found.logits, wanted.logits[:count], atol=1e-2)
        assert np.abs(found.confidence.astype(int) - wanted.confidence[:count]).max() <= 1


@pytest.mark.parametrize('precision', ['winograd', 'fp32'])
def test_both_precisions_pass_the_gate(small_release, cache, precision):
    engine = MnnEngine(small_release, precision=precision, cache=cache, threads=1)
    report = measure_parity(engine, small_release, synthetic_frames((64, 96), 3))
    assert report.precision == precision and report.passed, report


def test_small_tiles_round_less_than_large_ones(small_release, cache):
    medians = {}
    for precision in ('winograd', 'fp32'):
        engine = MnnEngine(small_release, precision=precision, cache=cache, threads=1)
        report = measure_parity(engine, small_release, synthetic_frames((64, 96), 3))
        medians[precision] = report.depth_median
    assert medians['fp32'] < medians['winograd']


def test_the_fast_graph_gives_no_scores(small_release, cache, frames):
    assert MnnEngine(small_release, cache=cache, threads=1)(frames[:1]).logits is None


def test_frames_that_are_not_contiguous_are_read_right(engine, frames):
    padded = np.concatenate((frames, frames), axis=2)[:1, :, :96]
    wanted = engine(frames[:1]).labels
    np.testing.assert_array_equal(engine(padded).labels, wanted)


def test_an_engine_runs_on_another_thread_than_it_was_built_on(engine, frames):
    wanted, found = engine(frames[:1]).labels, []
    thread = threading.Thread(target=lambda: found.append(engine(frames[:1]).labels))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(found[0], wanted)


def test_what_an_engine_said_outlives_it(engine, frames):
    """MNN's own views show memory that goes with the engine and name nothing that keeps it."""
    for count in (1, 2):
        assert all(each.flags.owndata for each in engine(frames[:count])[:4])


def test_a_file_of_the_same_name_in_the_folder_at_hand_is_not_run(engine, filled, monkeypatch):
    (filled / '_tools.py').write_text('raise SystemExit("not MNN")')
    monkeypatch.chdir(filled)
    converted = filled / engine.graph_file.name
    converted.unlink()
    (exported,) = filled.glob('*.onnx')
    assert mnn_engine.converted(exported) == converted and converted.is_file()


def test_two_that_talk_at_a_time_leave_stdout_to_us(capfd):
    inside = threading.Event()

    def talk(first: bool) -> None:
        if not first:
            inside.wait()
        with talk_on_stderr():
            inside.set()
            time.sleep(0.1 if first else 0.3)

    threads = [threading.Thread(target=talk, args=(first,)) for first in (True, False)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    os.write(1, b'ours')
    assert capfd.readouterr().out == 'ours'


def test_what_mnn_prints_stays_out_of_stdout(small_release, cache, capfd):
    MnnEngine(small_release, cache=cache, threads=1)
    assert capfd.readouterr().out == ''


@pytest.mark.parametrize(
    ('device', 'options', 'sentence'),
    [
        ('cuda', {}, "device is 'cuda', engine mnn runs on 'cpu' only"),
        ('cpu', {'precision': 'int8'}, "'int8' with mnn.*wanted winograd or fp32"),
        ('cpu', {'precision': 'bf16'}, "'bf16' with mnn.*wanted winograd or fp32"),
    ],
)
def test_what_cannot_be_had_is_refused_in_a_sentence(
    small_release, cache, device, options, sentence
):
    with pytest.raises(EngineError, match=sentence):
        build_engine(small_release, 'mnn', device, cache=cache, **options)


def test_without_the_package_it_is_refused(small_release, cache, monkeypatch):
    monkeypatch.setitem(sys.modules, 'MNN', None)
    with pytest.raises(EngineError, match='needs the package MNN'):
        MnnEngine(small_release, cache=cache)


def test_a_damaged_graph_is_refused_by_its_path_and_with_the_way_out(
    engine, small_release, filled
):
    path = filled / engine.graph_file.name
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(EngineError, match=f'{path}, which is built again once it is deleted'):
        MnnEngine(small_release, detail='fine', cache=filled)


def test_a_damaged_export_is_refused_and_leaves_no_file_behind(engine, small_release, filled):
    (filled / engine.graph_file.name).unlink()
    (exported,) = filled.iterdir()
    exported.write_bytes(exported.read_bytes()[:1000])
    with pytest.raises(EngineError, match=f'MNN cannot convert {exported}'):
        MnnEngine(small_release, detail='fine', cache=filled)
    assert list(filled.iterdir()) == [exported]


def test_wrong_frames_are_refused(engine):
    with pytest.raises(EngineError, match='wanted uint8'):
        engine(np.zeros((1, 64, 64, 3), np.uint8))
