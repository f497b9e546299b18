"""The reference engine runs the network that was released, and says no where it cannot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from sds_perception.engines import EngineError
from sds_perception.engines.choose import build_engine
from sds_perception.engines.folding import folded
from sds_perception.engines.graph import VehicleGraph
from sds_perception.engines.parity import measure_parity
from sds_perception.engines.torch_engine import TorchEngine, choose_device
from sds_perception.network import NETWORKS, build_network

without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason='CUDA is here')


def frames(batch: int = 2, height: int = 64, width: int = 128, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (batch, height, width, 3), np.uint8)


@torch.no_grad()
def test_folding_batchnorm_changes_nothing_and_leaves_none(tiny_network):
    image = torch.rand(2, 3, 64, 128)
    found, wanted = folded(tiny_network), tiny_network(image)
    assert not any(isinstance(each, nn.BatchNorm2d) for each in found.modules())
    logits, disparity, _ = found(image)
    scale = wanted.logits.abs().max()
    assert (logits - wanted.logits).abs().max() < 1e-5 * scale
    assert (disparity[0] - wanted.disparity[0]).abs().max() < 1e-5


@pytest.mark.parametrize(
    'encoder, kept', [('mobilenetv3_small_050', 0), ('tf_mobilenetv3_small_minimal_100', 5)]
)
@torch.no_grad()
def test_folding_changes_nothing_of_other_encoders(encoder, kept):
    """timm joins their BatchNorm and activation, and TensorFlow's pad by the size of the input."""
    network = build_network(replace(NETWORKS['tiny'], encoder=encoder, encoder_options={})).eval()
    with_learnt_statistics(network)
    image = torch.rand(1, 3, 64, 128)
    found, wanted = folded(network), network(image)
    assert sum(isinstance(each, nn.BatchNorm2d) for each in found.modules()) == kept
    torch.testing.assert_close(found(image)[0], wanted.logits, rtol=1e-4, atol=1e-4)


def with_learnt_statistics(network: nn.Module) -> None:
    """BatchNorms that do something, as after training."""
    generator = torch.Generator().manual_seed(0)
    for norm in (each for each in network.modules() if isinstance(each, nn.BatchNorm2d)):
        for values, middle in ((norm.running_mean, 0.0), (norm.running_var, 1.0)):
            values.copy_(middle + 0.2 * torch.rand(values.shape, generator=generator))


@torch.no_grad()
def test_folding_leaves_the_original_alone(tiny_network):
    before = {name: value.clone() for name, value in tiny_network.state_dict().items()}
    folded(tiny_network)
    after = tiny_network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@torch.no_grad()
def test_the_graph_says_argmax_and_softmax_of_the_networks_scores(tiny_network):
    pixels = frames()
    labels, confidence, disparity, logits = VehicleGraph(tiny_network, 'fine')(
        torch.from_numpy(pixels)
    )
    image = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    prediction = tiny_network(image)
    torch.testing.assert_close(logits, prediction.logits)
    assert torch.equal(labels.long(), prediction.logits.argmax(dim=1))
    peak = prediction.logits.softmax(dim=1).amax(dim=1)
    assert (confidence.float() - 255 * peak).abs().max() <= 0.51
    torch.testing.assert_close(disparity, prediction.disparity[0][:, 0])


def test_an_engine_gives_small_maps_of_the_types_it_promises(metric_release):
    fast = build_engine(metric_release, 'torch', 'cpu')(frames())
    fine = build_engine(metric_release, 'torch', 'cpu', detail='fine')(frames())
    assert fast.logits is None
    assert fine.logits.shape == (2, 19, 16, 32)
    for name, dtype in (('labels', 'uint8'), ('confidence', 'uint8'), ('disparity', 'float32')):
        assert getattr(fast, name).dtype == dtype
        assert getattr(fast, name).shape == (2, 16, 32)
        np.testing.assert_array_equal(getattr(fast, name), getattr(fine, name))


def test_an_engine_may_run_at_another_size_than_the_release(metric_release):
    engine = build_engine(metric_release, 'torch', 'cpu', input_size=(96, 64))
    assert engine.input_size == (96, 64)
    assert engine(frames(1, 96, 64)).labels.shape == (1, 24, 16)


@pytest.mark.parametrize(
    'wrong', [np.zeros((1, 64, 64, 3), np.uint8), np.zeros((1, 64, 128, 3), np.float32)]
)
def test_wrong_frames_are_refused(metric_release, wrong):
    with pytest.raises(EngineError, match='wanted uint8'):
        TorchEngine(metric_release)(wrong)


def test_frames_that_are_not_contiguous_are_read_right(metric_release):
    engine, turned = TorchEngine(metric_release), frames()[:, ::-1]
    found, wanted = engine(turned), engine(turned.copy())
    np.testing.assert_array_equal(found.labels, wanted.labels)


@without_cuda
@pytest.mark.parametrize('device', ['cuda', 'cuda:1'])
def test_cuda_without_cuda_is_refused_and_never_becomes_the_cpu(metric_release, device):
    with pytest.raises(EngineError, match=f"device is '{device}'"):
        TorchEngine(metric_release, device)


@pytest.mark.parametrize('device', ['gpu', 'meta', 'cpu:3', 'cuda:x', '', 'mps'])
def test_a_device_that_is_neither_cpu_nor_cuda_is_refused_by_name(device):
    with pytest.raises(EngineError, match=f"device is '{device}', wanted 'cpu', 'cuda'"):
        choose_device(device)


@pytest.mark.parametrize(('arguments', 'named'), [
    ({'engine': 'tensorflow'}, "engine is 'tensorflow'"),
    ({'detail': 'finest'}, "detail is 'finest'"),
    ({'input_size': (64, 100)}, '100x64'),
    ({'input_size': (0, 64)}, '64x0'),
    ({'precision': 'int8'}, "precision is 'int8' with torch cpu"),
])  # fmt: skip
def test_an_engine_nobody_has_is_refused_by_name(metric_release, arguments, named):
    with pytest.raises(EngineError, match=named):
        build_engine(metric_release, **{'engine': 'torch', 'device': 'cpu'} | arguments)


def test_weights_that_do_not_fit_are_never_loaded_in_part(metric_release):
    weights = dict(list(metric_release.weights.items())[:-1])
    with pytest.raises(RuntimeError, match='Missing key'):
        TorchEngine(replace(metric_release, weights=weights))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
def test_on_cuda_in_half_precision_labels_hardly_differ(metric_release):
    cpu = build_engine(metric_release, 'torch', 'cpu')(frames())
    cuda = build_engine(metric_release, 'torch', 'cuda')(frames())
    assert (cpu.labels == cuda.labels).mean() > 0.98
    assert np.abs(cpu.disparity - cuda.disparity).max() < 0.01


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
def test_on_cuda_float32_is_float32_and_nothing_shorter(metric_release):
    engine = build_engine(metric_release, 'torch', 'cuda', precision='fp32')
    report = measure_parity(engine, metric_release, frames())
    assert report.passed, str(report)
