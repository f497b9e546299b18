from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, replace

import pytest
import torch

from sds_perception.network import NetworkConfig, build_network
from sds_perception.release import named_release
from sds_training.config import TrainingConfig
from sds_training.networks.joint import LearnerNetworks
from sds_training.networks.pose import PoseConfig, PoseNetwork
from sds_training.run.origin import Origin, read_origin
from sds_training.run.run_state import RunStateError
from sds_training.warm_start import comparable, grown, inherit, new_blocks, semantics_from_depth


def networks(
    widths: tuple[int, ...],
    decoder: tuple[int, ...],
    seed: int,
    blocks: tuple[int, ...] = (1, 1, 1, 1),
    **others: object,
) -> LearnerNetworks:
    torch.manual_seed(seed)
    config = NetworkConfig(
        encoder='resnet10t',
        encoder_options={'channels': widths, 'stem_width': widths[0], 'layers': blocks},
        decoder_channels=decoder,
        **{'exchange': 'none', **others},
    )
    return LearnerNetworks(build_network(config), PoseNetwork(PoseConfig()))


@pytest.fixture
def narrow() -> LearnerNetworks:
    return networks((8, 8, 16, 16), (12, 12, 8), seed=1)


@pytest.mark.parametrize('decoder', [(12, 12, 8), (24, 24, 16)])
@pytest.mark.parametrize('widths', [(8, 8, 16, 16), (16, 24, 24, 40)])
@pytest.mark.parametrize('blocks', [(1, 1, 1, 1), (1, 2, 3, 2)])
def test_a_wider_or_deeper_network_says_at_first_what_the_smaller_one_said(
    narrow: LearnerNetworks,
    blocks: tuple[int, ...],
    widths: tuple[int, ...],
    decoder: tuple[int, ...],
) -> None:
    larger = networks(widths, decoder, seed=2, blocks=blocks)
    inherit(larger, narrow.state_dict())
    image = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        wanted, found = (each.eval().student(image) for each in (narrow, larger))
    torch.testing.assert_close(found.logits, wanted.logits)
    torch.testing.assert_close(found.disparity, wanted.disparity)


@pytest.mark.parametrize('others', [{'merge': 'concat'}, {'aspp': True}])
def test_where_inputs_are_joined_the_encoder_may_grow_and_decoders_are_refused(
    others: dict[str, object],
) -> None:
    small = networks((8, 8, 16, 16), (12, 12, 8), seed=1, **others)
    with pytest.raises(RunStateError, match='join their inputs'):
        inherit(networks((8, 8, 16, 16), (24, 24, 16), seed=2, **others), small.state_dict())
    larger = networks((16, 24, 24, 40), (12, 12, 8), seed=2, **others)
    inherit(larger, small.state_dict())
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        wanted, found = (each.eval().student(image).logits for each in (small, larger))
    torch.testing.assert_close(found, wanted)


def test_a_stage_may_grow_beyond_ten_blocks_and_never_by_its_first() -> None:
    stage = 'student.encoder.taps.layer3'
    ours = [f'{stage}.{block}.conv1.weight' for block in range(12)]
    assert new_blocks(ours, ours[:10]) == (f'{stage}.10.', f'{stage}.11.')
    assert new_blocks(ours[:1], []) == ()


def test_a_shallower_network_cannot_inherit(narrow: LearnerNetworks) -> None:
    deep = networks((8, 8, 16, 16), (12, 12, 8), seed=2, blocks=(1, 2, 1, 1))
    with pytest.raises(RunStateError, match=r'first: student.encoder.taps.layer2.1.*shallower'):
        inherit(narrow, deep.state_dict())


def test_all_it_has_more_can_learn(narrow: LearnerNetworks) -> None:
    wide = networks((16, 24, 24, 40), (24, 24, 16), seed=2)
    inherit(wide, narrow.state_dict())
    prediction = wide.train().student(torch.rand(2, 3, 64, 96))
    (prediction.logits.square().mean() + prediction.disparity[0].mean()).backward()
    weight = wide.student.semantic_head.score.weight
    assert weight.grad is not None and bool(weight.grad[:, 8:].abs().amax() > 0)
    assert bool((weight[:, 8:] == 0).all())


def test_only_an_exchange_and_a_pose_network_that_lack_there_start_fresh(
    narrow: LearnerNetworks,
) -> None:
    weights = {n: each for n, each in narrow.state_dict().items() if not n.startswith('pose.')}
    other = networks((8, 8, 16, 16), (12, 12, 8), seed=2, exchange='ccam')
    before = {name: each.clone() for name, each in other.state_dict().items()}
    inherit(other, weights)
    after = other.state_dict()
    fresh = before.keys() - weights.keys()
    assert {n.split('.')[0] for n in fresh} == {'pose', 'student'}
    assert all(torch.equal(after[n], before[n]) for n in fresh)
    assert all(torch.equal(after[n], each) for n, each in weights.items())


def test_a_layer_grows_deaf_to_inputs_it_did_not_have() -> None:
    old, new = torch.ones(2, 3), torch.full((4, 5), 7.0)
    whole = grown(old, new)
    assert whole[:2].tolist() == [[1, 1, 1, 0, 0]] * 2 and bool((whole[2:] == 7).all())
    assert grown(torch.ones(2), torch.zeros(3)).tolist() == [1, 1, 0]
    assert bool((new == 7).all())


@pytest.mark.parametrize('widths', [(8, 8, 16, 8), (8, 8, 8, 16)])
def test_a_narrower_network_cannot_inherit(
    narrow: LearnerNetworks, widths: tuple[int, ...]
) -> None:
    smaller = networks(widths, (12, 12, 8), seed=2)
    with pytest.raises(
        RunStateError, match='are larger .first: student.*or of a narrower or shallower one'
    ):
        inherit(smaller, narrow.state_dict())


def test_kernels_of_another_size_are_refused(narrow: LearnerNetworks) -> None:
    weights = narrow.state_dict()
    weights['student.semantic_head.score.weight'] = torch.zeros(19, 8, 3, 3)
    with pytest.raises(RunStateError, match=r'first: student\.semantic_head\.score\.weight'):
        inherit(narrow, weights)


def test_of_another_network_no_more_weights_differ_than_there_are(narrow: LearnerNetworks) -> None:
    foreign = {f'student.other.{name}': each for name, each in narrow.state_dict().items()}
    both = 2 * len(foreign)
    with pytest.raises(RunStateError) as refused:
        inherit(narrow, foreign)
    differ, known = map(int, re.findall(r'(\d+) of (\d+) weights', str(refused.value))[0])
    assert differ <= known == both


def test_weights_that_fit_and_would_mean_something_else_are_refused(
    tiny_run: Callable[..., TrainingConfig],
) -> None:
    config = tiny_run()
    same = config.network.config()
    weights = {'student.a': torch.zeros(1), 'pose.b': torch.zeros(1)}
    origin = Origin(weights, 'joint', {}, same, asdict(config.pose), (96, 64), None, 'none')
    assert comparable(origin, config) == weights
    farther = origin._replace(network=replace(same, depth_range=(1.0, 200.0)))
    with pytest.raises(
        RunStateError, match=r'depth_range \(1.0, 200.0\), this run \(0.1, 100.0\)'
    ):
        comparable(farther, config)
    for name in ('pixel_mean', 'pixel_std'):
        brighter = origin._replace(network=replace(same, **{name: (0.9, 0.9, 0.9)}))
        with pytest.raises(RunStateError, match=f'network.changes.{name}'):
            comparable(brighter, config)
    asked_otherwise = origin._replace(pose={**origin.pose, 'odometry': not config.pose.odometry})
    assert list(comparable(asked_otherwise, config)) == ['student.a']
    older = {name: value for name, value in origin.pose.items() if name != 'translation_scale'}
    assert list(comparable(origin._replace(pose=older), config)) == ['student.a']


def test_semantics_that_nobody_taught_begin_as_the_depth_decoder_and_prefer_no_class(
    narrow: LearnerNetworks,
) -> None:
    weights = narrow.state_dict()
    weights['student.semantic_head.score.bias'] = torch.arange(19.0)
    begun = semantics_from_depth(weights)
    for name, each in weights.items():
        if name.startswith('student.depth_levels.'):
            torch.testing.assert_close(begun[name.replace('depth_', 'semantic_')], each)
    assert not begun['student.semantic_head.score.bias'].any()


def test_demo_names_the_shipped_release_as_a_start_too() -> None:
    assert read_origin('demo').passport['release'] == named_release('demo').digest
