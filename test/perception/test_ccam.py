"""The laws of CCAM (method.md 2.2) and of the exchanges it is compared with."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sds_perception.network import NETWORKS, build_network
from sds_perception.network.ccam import (
    ChannelAffinity,
    CrossChannelAttention,
    NoExchange,
    PadGate,
    build_exchange,
    channel_descriptors,
    mixed_channels,
)

C = 16


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def features(batch: int = 2, channels: int = C, size: tuple[int, int] = (24, 40)) -> Tensor:
    return torch.randn(batch, channels, *size)


def count(module: torch.nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())


@torch.no_grad()
def test_with_gates_at_zero_ccam_is_the_identity():
    ccam = CrossChannelAttention(C)
    ccam.semantic_gate.zero_()
    ccam.depth_gate.zero_()
    semantic, depth = features(), features()
    assert torch.equal(ccam(semantic, depth)[0], semantic)
    assert torch.equal(ccam(semantic, depth)[1], depth)


@torch.no_grad()
@pytest.mark.parametrize('activation', ['sigmoid', 'softmax'])
def test_affinity_rows_are_positive_and_sum_to_one(activation):
    ccam = CrossChannelAttention(C, activation)
    for weights in ccam.affinities(features(), features()):
        assert weights.shape == (2, C, C)
        assert (weights > 0).all()
        torch.testing.assert_close(weights.sum(dim=2), torch.ones(2, C))


@torch.no_grad()
def test_tanh_affinities_are_signed_and_bounded():
    affinity = ChannelAffinity(C, 'tanh')
    affinity.expand.weight.mul_(20)
    weights = affinity(torch.rand(2, C, C) * 2 - 1)
    assert (weights < 0).any()
    assert (weights > 0).any()
    assert weights.abs().max() <= 1


@torch.no_grad()
def test_the_shared_variant_borrows_by_the_transposed_matrix():
    ccam = CrossChannelAttention(C, shared=True)
    borrowed, lent = ccam.affinities(features(), features())
    assert torch.equal(lent, borrowed.transpose(1, 2))
    assert ccam.depth_from_semantic is None


@torch.no_grad()
@pytest.mark.parametrize('activation', ['sigmoid', 'softmax', 'tanh'])
def test_renaming_one_tasks_channels_with_their_weights_changes_nothing(activation):
    ccam, renamed = CrossChannelAttention(C, activation), CrossChannelAttention(C, activation)
    renamed.load_state_dict(ccam.state_dict())
    order = torch.randperm(C)
    reads_depth = renamed.semantic_from_depth
    reads_depth.squeeze.weight.copy_(ccam.semantic_from_depth.squeeze.weight[:, order])
    reads_depth.expand.weight.copy_(ccam.semantic_from_depth.expand.weight[order])
    reads_depth.expand.bias.copy_(ccam.semantic_from_depth.expand.bias[order])
    semantic, depth = features(), features()
    wanted_semantic, wanted_depth = ccam(semantic, depth)
    found_semantic, found_depth = renamed(semantic, depth[:, order])
    torch.testing.assert_close(found_semantic, wanted_semantic)
    torch.testing.assert_close(found_depth, wanted_depth[:, order])
    assert not torch.allclose(ccam(semantic, depth[:, order])[0], wanted_semantic)


@torch.no_grad()
def test_items_of_a_batch_do_not_see_each_other():
    ccam = CrossChannelAttention(C)
    semantic, depth = features(3), features(3)
    together = ccam(semantic, depth)
    for item in range(3):
        one = slice(item, item + 1)
        alone = ccam(semantic[one], depth[one])
        for ours, theirs in zip(alone, together, strict=True):
            torch.testing.assert_close(ours, theirs[one])


@torch.no_grad()
@pytest.mark.parametrize('magnitude', [1.0, 1e-3, 2e4])
def test_half_precision_stays_finite_at_the_size_of_a_1024x512_picture(magnitude):
    ccam = CrossChannelAttention(64).half()
    semantic = (torch.rand(1, 64, 128, 256) * magnitude).half()
    depth = (torch.rand(1, 64, 128, 256) * magnitude).half()
    for enriched in ccam(semantic, depth):
        assert enriched.dtype == torch.float16
        assert enriched.isfinite().all()


@torch.no_grad()
@pytest.mark.parametrize('value', [0.0, 5.0])
def test_constant_features_have_nothing_to_compare_and_stay_finite(value):
    flat = torch.full((1, C, 24, 40), value)
    torch.testing.assert_close(channel_descriptors(flat), torch.zeros(1, C, 256))
    assert all(each.isfinite().all() for each in CrossChannelAttention(C)(flat, flat))


def test_descriptors_are_centred_of_unit_length_and_blind_to_brightness():
    feature = features()
    descriptors = channel_descriptors(feature)
    torch.testing.assert_close(descriptors.mean(dim=2), torch.zeros(2, C), atol=1e-6, rtol=0)
    torch.testing.assert_close(descriptors.norm(dim=2), torch.ones(2, C))
    torch.testing.assert_close(channel_descriptors(3 * feature + 2), descriptors)


def test_each_task_learns_from_the_partners_loss():
    ccam = CrossChannelAttention(C)
    semantic, depth = features().requires_grad_(), features().requires_grad_()
    ccam(semantic, depth)[0].square().sum().backward()
    assert depth.grad.abs().sum() > 0
    assert ccam.semantic_from_depth.squeeze.weight.grad.abs().sum() > 0


def test_mixing_is_the_sum_over_the_partners_channels():
    weights, feature = torch.rand(2, C, C), features()
    wanted = torch.einsum('bij,bjhw->bihw', weights, feature)
    torch.testing.assert_close(mixed_channels(weights, feature), wanted)


def test_mixing_leaves_features_in_the_memory_order_of_channels_last():
    """Turned the other way round they would be copied for every product, and back again."""
    feature = features().to(memory_format=torch.channels_last)
    mixed = mixed_channels(torch.rand(2, C, C), feature)
    assert mixed.is_contiguous(memory_format=torch.channels_last)


def test_ccam_of_128_channels_has_the_parameters_the_method_counts():
    assert count(CrossChannelAttention(128)) == 16_904
    assert count(CrossChannelAttention(128, shared=True)) == 8_552


def test_ccam_adds_under_a_thousandth_to_the_paper_network():
    with torch.device('meta'):
        paper = build_network(NETWORKS['paper'])
        bare = build_network(replace(NETWORKS['paper'], exchange='none'))
    added = count(paper) - count(bare)
    assert added == 16_904
    assert added < count(bare) / 1000


@torch.no_grad()
def test_a_fresh_pad_gate_is_half_open():
    gate = PadGate(C)
    semantic, depth = features(), features()
    enriched_semantic, enriched_depth = gate(semantic, depth)
    torch.testing.assert_close(enriched_semantic, semantic + 0.5 * gate.lend_depth(depth))
    torch.testing.assert_close(enriched_depth, depth + 0.5 * gate.lend_semantic(semantic))


def test_exchanges_stand_after_the_levels_asked_for_and_nowhere_else():
    config = replace(NETWORKS['tiny'], exchange_levels=(4, 2))
    kinds = [type(build_exchange(config, level)) for level in config.levels]
    assert kinds == [CrossChannelAttention, NoExchange, CrossChannelAttention]
    pad = replace(config, exchange='pad')
    assert [type(build_exchange(pad, level)) for level in (4, 3)] == [PadGate, NoExchange]


def test_without_an_exchange_features_pass_untouched():
    semantic, depth = features(), features()
    passed = build_exchange(replace(NETWORKS['tiny'], exchange='none'), 2)(semantic, depth)
    assert passed[0] is semantic
    assert passed[1] is depth


def test_a_dead_channel_leaves_every_gradient_finite() -> None:
    exchange = CrossChannelAttention(8)
    semantic, depth = (torch.rand(2, 8, 32, 32) for _ in range(2))
    semantic[:, 3], depth[:, :] = 0.0, 0.0
    semantic.requires_grad_(), depth.requires_grad_()
    sum(each.square().sum() for each in exchange(semantic, depth)).backward()
    moved = [semantic.grad, depth.grad, *(each.grad for each in exchange.parameters())]
    assert all(bool(torch.isfinite(gradient).all()) for gradient in moved)
