"""One level of a decoder, and the pyramid that may open it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sds_perception.network import NETWORKS, NetworkConfig
from sds_perception.network.decoder import (
    AddLevel,
    AtrousPyramid,
    ConcatLevel,
    build_decoder,
    conv_block,
    upsampled,
)

TAPS = (64, 256, 512, 1024, 2048)  # channels of a resnet101's e0..e4


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@torch.no_grad()
def test_the_reflecting_block_has_no_border():
    """A constant picture stays constant; zero padding would darken its rim."""
    flat = torch.full((1, 3, 6, 8), 0.7)
    reflecting = conv_block('reflect_elu', 3, 5)(flat)
    torch.testing.assert_close(reflecting, reflecting[..., :1, :1].expand_as(reflecting))
    padded = conv_block('batch_relu', 3, 5)[0](flat)
    assert not torch.allclose(padded[..., 0, 0], padded[..., 3, 3])


def test_nearest_upsampling_repeats_each_pixel():
    feature = torch.randn(1, 2, 3, 4)
    repeated = feature.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    torch.testing.assert_close(upsampled(feature, 2), repeated)
    assert upsampled(feature, 1) is feature


@torch.no_grad()
@pytest.mark.parametrize('skip', [6, 0])
@pytest.mark.parametrize('kind', [AddLevel, ConcatLevel])
def test_a_level_doubles_the_size_and_takes_its_skip_if_there_is_one(kind, skip):
    opening = nn.Conv2d(10, 8, 1)
    level = (
        AddLevel(opening, 'batch_relu', skip, 8, 2)
        if kind is AddLevel
        else ConcatLevel(opening, 'batch_relu', 8, skip, 8, 2)
    ).eval()
    feature = torch.randn(1, 10, 4, 6)
    lateral = torch.randn(1, skip, 8, 12) if skip else None
    result = level(feature, lateral)
    assert result.shape == (1, 8, 8, 12)
    if lateral is not None:
        assert not torch.allclose(level(feature, lateral + 1), result)


@torch.no_grad()
def test_the_pyramid_keeps_the_size_and_sees_the_whole_picture():
    pyramid = AtrousPyramid(6, 8).eval()
    feature = torch.randn(2, 6, 40, 40)
    elsewhere = feature.clone()
    elsewhere[..., -1, -1] += 100  # farther from the first corner than any rate reaches
    assert pyramid(feature).shape == (2, 8, 40, 40)
    assert not torch.allclose(pyramid(feature)[..., 0, 0], pyramid(elsewhere)[..., 0, 0])


def test_the_pyramid_trains_on_a_single_crop():
    """Its image branch has no BatchNorm: with one 1x1 map there is nothing to average."""
    result = AtrousPyramid(6, 8).train()(torch.randn(1, 6, 4, 4))
    assert result.isfinite().all()


def test_the_papers_decoder_has_the_widths_of_the_method():
    with torch.device('meta'):
        levels = build_decoder(NETWORKS['paper'], TAPS)
    assert [each.closing[0].out_channels for each in levels] == [256, 256, 128, 128, 64]
    skips = [each.closing[0].in_channels - each.closing[0].out_channels for each in levels]
    assert skips == [1024, 512, 256, 64, 0]
    assert isinstance(levels[0].opening, AtrousPyramid)
    assert [each.up for each in levels] == [1, 2, 2, 2, 2]  # the dilated encoder ends at 16


def test_every_level_leaves_at_its_own_stride():
    config = NetworkConfig(decoder_channels=(64, 64, 32, 32, 16))
    levels = build_decoder(config, (64, 64, 128, 256, 512))
    stride = config.output_stride
    for level, name in zip(levels, config.levels, strict=True):
        stride //= level.up
        assert stride == 2**name
