"""What the CPU runtime is given says what the network says, whatever the network is made of."""

from __future__ import annotations

import pytest
import torch

from sds_perception.engines.streamline import StreamlinedNetwork, streamlined
from sds_perception.network import NetworkConfig, SdsNetwork, build_network

TINY = {
    'encoder': 'resnet10t',
    'encoder_options': {'channels': (8, 8, 16, 16), 'stem_width': 8},
    'decoder_channels': (16, 16, 16),
}
VARIANTS = {
    'plain': {},
    'shared affinity': {'ccam_shared': True},
    'softmax, odd channels': {'ccam_activation': 'softmax', 'decoder_channels': (16, 16, 12)},
    'reflected padding': {'block': 'reflect_elu', 'merge': 'concat'},
    'two exchanges': {'exchange_levels': (4, 2)},
    'exchange before the last level': {'exchange_levels': (3,)},
    'to full size': {'decoder_channels': (16, 16, 16, 8, 8), 'exchange_levels': (2,)},
    'gated': {'exchange': 'pad'},
    'none': {'exchange': 'none'},
    'joined BatchNorms': {'encoder': 'mobilenetv3_small_050', 'encoder_options': {}},
    'padded by size': {'encoder': 'tf_mobilenetv3_small_minimal_100', 'encoder_options': {}},
}


def network_of(**changes: object) -> SdsNetwork:
    """A small network whose every part, BatchNorm included, matters."""
    torch.manual_seed(0)
    network = build_network(NetworkConfig(**{**TINY, **changes})).eval()
    with torch.no_grad():
        for name, values in network.state_dict().items():
            if name.endswith(('running_mean', 'bias', 'gate')):
                values.add_(0.2 * torch.randn_like(values))
    return network


@pytest.mark.parametrize('changes', VARIANTS.values(), ids=VARIANTS.keys())
@torch.no_grad()
def test_the_streamlined_network_gives_the_same_scores_and_disparity(changes):
    network, image = network_of(**changes), torch.rand(2, 3, 64, 96)
    wanted, found = network(image), streamlined(network)(image)
    torch.testing.assert_close(found[0], wanted.logits, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found[1][0], wanted.disparity[0], rtol=1e-4, atol=1e-5)


def test_only_an_exchange_at_the_finest_level_is_fused_with_the_heads():
    assert isinstance(streamlined(network_of()), StreamlinedNetwork)
    assert not isinstance(streamlined(network_of(exchange_levels=(3,))), StreamlinedNetwork)


@torch.no_grad()
def test_streamlining_leaves_the_network_as_it_was():
    network, image = network_of(), torch.rand(1, 3, 64, 64)
    before = network(image).logits
    streamlined(network)
    torch.testing.assert_close(network(image).logits, before, rtol=0, atol=0)
