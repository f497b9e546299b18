"""The named networks: shapes, sizes, configs that travel, and refusals in words."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
import torch.fx

from sds_perception.network import (
    NETWORKS,
    NetworkConfig,
    build_network,
    depth_from_disparity,
    disparity_from_depth,
)
from sds_perception.network.config import NetworkConfigError
from sds_perception.network.heads import DepthHead

RANGE = (0.1, 100.0)
SMALL = NETWORKS['tiny']


def picture(batch: int = 1, seed: int = 0) -> torch.Tensor:
    return torch.rand(batch, 3, 64, 128, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
@pytest.mark.parametrize(('name', 'stride', 'scales'), [
    ('vehicle', 4, 3), ('tiny', 4, 3), ('paper', 1, 4),
])  # fmt: skip
def test_every_named_network_gives_the_shapes_it_documents(name, stride, scales):
    logits, disparity, side = build_network(NETWORKS[name]).eval()(picture())
    h, w = 64 // stride, 128 // stride
    assert logits.shape == (1, 19, h, w)
    assert side.shape == (1, 19, 16, 32)
    assert [each.shape for each in disparity] == [
        (1, 1, h >> scale, w >> scale) for scale in range(scales)
    ]
    assert all(each.min() > 0 and each.max() < 1 for each in disparity)


def test_tiny_stays_under_two_million_parameters():
    assert sum(each.numel() for each in build_network(SMALL).parameters()) < 2_000_000


@torch.no_grad()
@pytest.mark.parametrize('change', [
    {'exchange': 'pad'},
    {'exchange': 'none'},
    {'exchange_levels': (4, 3, 2), 'ccam_activation': 'softmax'},
    {'ccam_shared': True, 'ccam_activation': 'tanh'},
    {'merge': 'concat', 'block': 'reflect_elu', 'aspp': True},
    {'decoder_channels': (32,), 'exchange_levels': (4,)},
    {'decoder_channels': (32, 32, 24, 16, 16), 'exchange_levels': (0,)},
], ids=str)  # fmt: skip
def test_every_choice_of_the_config_makes_a_network_that_runs(change):
    config = replace(SMALL, **change)
    prediction = build_network(config).eval()(picture())
    stride = 2 ** config.levels[-1]
    assert prediction.logits.shape[2:] == (64 // stride, 128 // stride)
    assert prediction.logits.isfinite().all()


@torch.no_grad()
def test_a_dilated_encoder_keeps_its_last_features_at_stride_16():
    config = NetworkConfig(output_stride=16)
    network = build_network(config).eval()
    assert network.encoder(picture())[-1].shape[2:] == (4, 8)
    assert network(picture()).logits.shape == (1, 19, 16, 32)


@torch.no_grad()
def test_items_of_a_batch_do_not_see_each_other(tiny_network):
    together = tiny_network(picture(batch=2))
    for item in range(2):
        alone = tiny_network(picture(batch=2)[item : item + 1])
        torch.testing.assert_close(alone.logits[0], together.logits[item], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(alone.disparity[0][0], together.disparity[0][item])


@torch.no_grad()
def test_pixels_are_normalised_inside_the_network(tiny_network):
    config = tiny_network.config
    plain = build_network(replace(config, pixel_mean=(0, 0, 0), pixel_std=(1, 1, 1))).eval()
    plain.load_state_dict(tiny_network.state_dict())
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (config.pixel_mean, config.pixel_std))
    torch.testing.assert_close(
        tiny_network(picture()).logits, plain((picture() - mean) / std).logits
    )


@torch.no_grad()
def test_no_control_flow_depends_on_data(tiny_network):
    """Symbolic tracing fails on any branch on a value, and on any fixed one it would differ."""
    traced = torch.fx.symbolic_trace(tiny_network)
    for seed in (1, 2):
        for ours, theirs in zip(
            tiny_network(picture(1, seed)), traced(picture(1, seed)), strict=True
        ):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@torch.no_grad()
def test_half_precision_gives_finite_scores_close_to_single(tiny_network):
    half = build_network(SMALL).eval()
    half.load_state_dict(tiny_network.state_dict())
    found, wanted = half.half()(picture().half()), tiny_network(picture())
    torch.testing.assert_close(found.logits.float(), wanted.logits, atol=0.05, rtol=0.05)
    torch.testing.assert_close(found.disparity[0].float(), wanted.disparity[0], atol=0.01, rtol=0)


@pytest.mark.parametrize('name', sorted(NETWORKS))
def test_a_config_survives_json(name):
    config = replace(NETWORKS[name], exchange='pad', depth_range=(0.5, 80.0))
    assert NetworkConfig.from_dict(json.loads(json.dumps(asdict(config)))) == config


@pytest.mark.parametrize(('change', 'named'), [
    ({'output_stride': 8}, 'output_stride is 8'),
    ({'decoder_channels': ()}, 'decoder_channels'),
    ({'decoder_channels': (8,) * 6}, 'decoder_channels'),
    ({'decoder_channels': (64, 0, 64)}, 'decoder_channels'),
    ({'decoder_channels': (64, 64, 2)}, 'decoder_channels'),
    ({'merge': 'sum'}, "merge is 'sum'"),
    ({'block': 'relu'}, "block is 'relu'"),
    ({'exchange': 'attention'}, "exchange is 'attention'"),
    ({'exchange_levels': (1,)}, 'exchange_levels'),
    ({'ccam_activation': 'relu'}, 'ccam_activation'),
    ({'classes': 0}, 'classes is 0'),
    ({'depth_range': (100.0, 0.1)}, 'depth_range'),
    ({'depth_range': (0.1,)}, 'depth_range'),
    ({'pixel_std': (0.2, 0.0, 0.2)}, 'pixel_std'),
], ids=str)  # fmt: skip
def test_a_config_that_cannot_be_built_is_refused_by_field_and_value(change, named):
    with pytest.raises(NetworkConfigError, match=named):
        replace(NETWORKS['vehicle'], **change)


def test_unknown_and_missing_keys_are_refused_by_name():
    values = asdict(NETWORKS['vehicle'])
    del values['merge']
    with pytest.raises(NetworkConfigError, match=r"unknown keys \['width'\], missing \['merge'\]"):
        NetworkConfig.from_dict(values | {'width': 3})


@pytest.mark.parametrize(('encoder', 'named'), [
    ('resnet_of_dreams', 'resnet_of_dreams'),
    ('convnext_atto', 'taps at strides'),  # starts at stride 4
])  # fmt: skip
def test_an_encoder_without_the_five_taps_is_refused_in_one_line(encoder, named):
    with pytest.raises(NetworkConfigError, match=named) as refusal:
        build_network(NetworkConfig(encoder=encoder))
    assert '\n' not in str(refusal.value)


def test_the_ends_of_disparity_are_the_ends_of_the_depth_range():
    assert depth_from_disparity(1.0, RANGE) == pytest.approx(RANGE[0])
    assert depth_from_disparity(0.0, RANGE) == pytest.approx(RANGE[1])


def test_disparity_and_depth_are_each_others_inverse():
    disparity = np.linspace(0, 1, 101)
    depth = depth_from_disparity(disparity, RANGE)
    assert (np.diff(depth) < 0).all()
    np.testing.assert_allclose(disparity_from_depth(depth, RANGE), disparity, atol=1e-12)
    tensor = torch.from_numpy(disparity)
    np.testing.assert_allclose(depth_from_disparity(tensor, RANGE).numpy(), depth)


@torch.no_grad()
def test_far_depths_keep_their_steps_where_the_rest_is_computed_in_bfloat16():
    head = DepthHead(8, 'zeros', 0.01)
    feature = torch.randn(1, 8, 32, 32, generator=torch.Generator().manual_seed(0)).bfloat16()
    wanted = head(feature.float())
    with torch.autocast('cpu', dtype=torch.bfloat16):
        found = head(feature)
    assert found.dtype == torch.float32
    assert torch.equal(found, wanted)


def test_a_fresh_network_begins_at_the_geometric_middle_of_its_depths():
    network = build_network(SMALL)
    nearest, farthest = network.config.depth_range
    for head in network.depth_heads:
        start = depth_from_disparity(torch.sigmoid(head.score.bias), network.config.depth_range)
        assert start.item() == pytest.approx((nearest * farthest) ** 0.5, rel=1e-4)


@torch.no_grad()
def test_the_side_head_reads_what_was_there_before_the_exchange(tiny_network):
    made, read = [], []
    hooks = [tiny_network.side_head.register_forward_pre_hook(lambda _, given: read.extend(given))]
    for level in tiny_network.semantic_levels:
        hooks.append(level.register_forward_hook(lambda _, __, out: made.append(out)))
    tiny_network(picture())
    for hook in hooks:
        hook.remove()
    assert len(read) == 1 and any(read[0] is each for each in made)
