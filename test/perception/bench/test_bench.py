"""What the bench prints is what was measured: rounds, goals, the naive pipeline, the files."""

from __future__ import annotations

import json
import mmap
import subprocess
import sys
import time
from importlib.util import find_spec
from math import nan
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from sds_perception import commands
from sds_perception.bench import cli, frames, naive, node
from sds_perception.bench.cli import main
from sds_perception.bench.figures import Budget, Figure, Timing, ratio, timed_rounds
from sds_perception.bench.machine import convolution_probe, resident_mb
from sds_perception.bench.networks import BENCHED, engine_figures, gflop
from sds_perception.bench.peers import peer_figures
from sds_perception.bench.report import table, write_json, write_plot
from sds_perception.bench.single_task import DepthOnly, SemanticOnly
from sds_perception.engines import EngineError
from sds_perception.engines.graph import VehicleGraph
from sds_perception.engines.reference_frames import synthetic_frames
from sds_perception.engines.torch_engine import TorchEngine
from sds_perception.network import NetworkConfig, build_network
from sds_perception.perceiver import Perceiver
from sds_perception.release import untrained_release
from sds_perception.resampling import fine_labels

SMALL = NetworkConfig(
    encoder='resnet10t',
    encoder_options={'channels': (8, 8, 16, 16), 'stem_width': 8},
    decoder_channels=(16, 16, 16),
    exchange='none',
)


@pytest.fixture(scope='module')
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for engines, so that each is built once."""
    return tmp_path_factory.mktemp('engines')


def test_rounds_alternate_and_the_first_call_of_each_turn_is_not_counted():
    order: list[str] = []
    runs = {name: lambda name=name: order.append(name) for name in 'ab'}
    timings = timed_rounds(runs, Budget(0, calls=2))
    assert ''.join(order) == 'aaabbb' * 3
    assert {len(each.calls_ms) for each in timings.values()} == {6}


def test_a_budget_ends_the_rounds():
    assert len(timed_rounds({'a': lambda: None}, Budget(60, 1, rounds=5))['a'].calls_ms) == 5


def test_goals_are_judged_by_value():
    assert Figure('g', 'n', 1.8, 'x', '>= 1.75').reached is True
    assert Figure('g', 'n', 6.0, '%', '<= 5').reached is False
    assert Figure('g', 'n', 6.0).reached is None
    fast, slow = Timing((1.0, 2.0)), Timing((4.0, 4.0))
    assert ratio('g', 'n', slow, fast).value == 4
    assert 'medians 2.67' in ratio('g', 'n', slow, fast).note


def test_work_is_counted_without_the_heads_only_training_uses():
    whole, counted = build_network(SMALL), gflop(build_network(SMALL), (64, 64))
    with torch.utils.flop_counter.FlopCounterMode(display=False) as counter:
        whole(torch.zeros(1, 3, 64, 64))
    side = 2 * 16 * 19 * 16 * 16 + 2 * 9 * 16 * (8 * 8 + 4 * 4)
    assert counter.get_total_flops() == pytest.approx(counted * 1e9 + side)


@torch.no_grad()
def test_two_single_task_networks_say_what_the_joint_one_says_without_exchange():
    network = build_network(SMALL).eval()
    frames = torch.from_numpy(synthetic_frames((64, 96), 1))
    labels, _, disparity = VehicleGraph(network)(frames)
    assert torch.equal(SemanticOnly(network)(frames)[0], labels)
    torch.testing.assert_close(DepthOnly(network)(frames), disparity, rtol=0, atol=1e-5)


def test_the_naive_pipeline_is_correct_only_slow():
    release = untrained_release(SMALL, (64, 96))
    bgr = synthetic_frames((90, 150), 1)[0]
    labels, colors, depth = naive.NaivePipeline(release.network(), (64, 96))(bgr)
    scene = Perceiver.from_release(release, detail='fine')(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
    assert (labels == scene.labels).mean() > 0.95  # one resizes floats, the other bytes
    known = np.isfinite(scene.depth)
    np.testing.assert_allclose(depth[known], scene.depth[known], rtol=0.02)
    assert colors.shape == (90, 150, 3)
    logits = np.random.default_rng(0).normal(size=(19, 8, 12)).astype(np.float32)
    fine = fine_labels(logits, (90, 150))
    assert (naive.labels_of(torch.from_numpy(logits[None]), (90, 150)) == fine).mean() > 0.999


def test_the_probe_convolves_and_memory_is_read():
    assert convolution_probe()().shape == (1, 128, 128, 256)
    before = resident_mb()
    fresh = mmap.mmap(-1, 2**25)  # of the system: a heap may have room left by other tests
    fresh.write(bytes(2**25))
    assert resident_mb() - before > 0.8 * len(fresh) / 2**20


def test_the_report_holds_every_figure_and_call(tmp_path):
    figures = [Figure('group', 'speed-up', 1.5, 'x', '>= 1.75'), Figure('group', 'none', nan)]
    timings = {'engine': Timing((1.0, 2.0))}
    write_json(tmp_path / 'bench.json', {'cores': 2}, figures, timings)
    content = json.loads((tmp_path / 'bench.json').read_text())
    assert content['figures'][0]['reached'] is False
    assert content['figures'][1]['value'] is None
    assert content['calls_ms'] == {'engine': [1.0, 2.0]}
    assert 'MISSED' in table(figures)
    pytest.importorskip('matplotlib')
    assert write_plot(tmp_path / 'bench.png', timings, 'title')
    assert cv2.imread(str(tmp_path / 'bench.png')) is not None


def delivery_report(processed: int) -> dict:
    """As `ros.delivery` writes it, of 100 frames sent."""
    return {
        **{'sent': 100, 'processed': processed, 'received_percent': 100.0},
        **{'bare_engine_ms': 4.0, 'total_in_node_ms': 7.0},
        **{'added_in_node_ms': 3.0, 'at_consumer_ms': 9.0},
    }


def test_peak_rate_is_the_highest_that_keeps_95_percent():
    reports = {30: delivery_report(100), 60: delivery_report(95), 90: delivery_report(94)}
    figures = {each.name: each for each in node.figures_of(reports)}
    assert figures['peak rate with under 5 % drops'].value == 60
    assert figures['added in the node'].reached
    assert node.figures_of({30: delivery_report(94)})[-1].value == 0


def test_a_measurement_that_takes_too_long_leaves_no_process_behind(tmp_path: Path) -> None:
    alive = tmp_path / 'alive'
    grandchild = f'while sleep 0.05; do echo >> {alive}; done'
    code = f'import subprocess; subprocess.run(["sh", "-c", "{grandchild}"])'
    with pytest.raises(subprocess.TimeoutExpired):
        node._ended([sys.executable, '-c', code], 2.0)
    written = alive.stat().st_size
    time.sleep(0.3)
    assert alive.stat().st_size == written > 0


def test_every_engine_of_this_cpu_is_timed_against_eager_and_the_ceiling(built: Path) -> None:
    figures, timings = engine_figures('tiny', (64, 96), built, Budget(0.0, calls=1))
    engines = [name.removeprefix('tiny 96x64 ') for name in timings]
    assert {'eager', 'torch engine', 'onnxruntime fp32', 'onnxruntime int8'} <= set(engines)
    assert ('openvino fp32' in engines) == bool(find_spec('openvino'))
    assert ('mnn winograd' in engines) == bool(find_spec('MNN'))
    names = {each.name for each in figures}
    for engine in set(engines) - {'eager', 'torch engine'}:
        assert {f'eager / {engine}', f'ceiling reached, {engine}'} <= names
    assert len([name for name in names if name.startswith('labels equal, ')]) == len(engines) - 2


def test_the_command_measures_and_writes_its_files(built, tmp_path, capsys):
    arguments = ['--quick', '--parts', 'steady', '--output', str(tmp_path), '--cache', str(built)]
    assert main([*arguments, '--networks', 'tiny', '--sizes', '96x64']) == 0
    said = capsys.readouterr().out
    assert 'resident growth' in said and 'GFLOP' not in said
    content = json.loads((tmp_path / 'bench.json').read_text())
    assert content['host']['cores'] >= 1
    assert len(content['calls_ms']['tiny 96x64 steady 720p']) == 60


@pytest.mark.parametrize(
    ('fault', 'status', 'said'),
    [
        (KeyboardInterrupt(), 130, 'sds-bench: stopped'),
        (EngineError('no such engine'), 2, 'sds-bench: no such engine'),
        (OSError('disk is full'), 2, 'sds-bench: disk is full'),
    ],
)
def test_what_was_measured_before_a_fault_is_written(
    tmp_path, monkeypatch, capsys, fault, status, said
):
    monkeypatch.setattr('sys.argv', ['sds-bench', '--output', str(tmp_path)])

    def measured(*_):
        yield [Figure('group', 'speed', 1.5, 'x')]
        raise fault

    monkeypatch.setattr(cli, '_measured', measured)
    assert commands.bench() == status
    assert capsys.readouterr().err == said + '\n'
    content = json.loads((tmp_path / 'bench.json').read_text())
    assert [each['name'] for each in content['figures']] == ['speed']


def test_an_output_that_is_a_file_is_refused_and_stays(tmp_path, capsys):
    (tmp_path / 'file').write_text('mine')
    assert main(['--output', str(tmp_path / 'file')]) == 2
    assert capsys.readouterr().err.startswith('sds-bench: ')
    assert (tmp_path / 'file').read_text() == 'mine'


def test_both_preparations_that_are_compared_turn_bgr_to_rgb():
    steps = frames._steps((96, 128), (16, 32))
    bytes_rgb, floats_rgb = steps['prepare'](), steps['prepare naive']()
    naive_rgb = 255 * floats_rgb[0].permute(1, 2, 0).numpy()
    assert np.abs(bytes_rgb - naive_rgb).max() <= 1


def test_both_clouds_that_are_compared_hold_the_same_points():
    steps = frames._steps((96, 128), (16, 32))
    ours = steps['cloud']()
    plain = np.frombuffer(steps['cloud naive'](), ours.dtype).reshape(ours.shape)
    for field in ('x', 'y', 'z'):
        np.testing.assert_allclose(plain[field], ours[field], rtol=1e-5, atol=1e-5)
    for field in ('rgb', 'label', 'confidence'):
        assert plain[field].tobytes() == ours[field].tobytes()


def late(call):
    """The same call on a machine that is busy otherwise."""

    def called(*arguments):
        time.sleep(0.3)
        return call(*arguments)

    return called


def test_a_call_that_waits_for_the_engine_takes_no_more_outside_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    perceiver = Perceiver(release := untrained_release(SMALL, (64, 96)), TorchEngine(release))
    product, bgr = frames.Product(perceiver), synthetic_frames((72, 128), 1)[0]
    product(bgr)
    network_s = product.network_s
    monkeypatch.setattr(TorchEngine, '__call__', late(TorchEngine.__call__))
    product(bgr)
    assert product.network_s == network_s and product.rest_s < 0.3 and 0 < product.outside < 1
    product.forget()
    product(bgr)
    assert product.network_s > 0.3


@pytest.mark.parametrize('name', ['vehicle', 'mobile'])
def test_peers_are_built_on_the_same_encoder(name: str, tmp_path: Path) -> None:
    pytest.importorskip('segmentation_models_pytorch')
    rows = peer_figures(name, (64, 64), tmp_path, Budget(0.0, calls=1))
    assert {row.note.split('encoder ')[-1] for row in rows} == {BENCHED[name].encoder}


def test_where_the_encoder_is_our_own_there_is_no_peer(tmp_path: Path) -> None:
    assert peer_figures('tiny', (64, 64), tmp_path, Budget(0.0, calls=1)) is None
