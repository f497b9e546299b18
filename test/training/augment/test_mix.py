"""Mixing: the laws that every plan keeps, and those of ClassMix and DepthMix."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from affine_streets import CAR, Lenses, Scenes, affine, generator, pasted

from sds_perception.labels import TRAIN_ID, UNLABELLED
from sds_training.augment.class_mix import class_mask
from sds_training.augment.depth_mix import depth_mask, relative_nearness
from sds_training.augment.mix import MixConfig, MixPlan, apply_mix, draw_mix
from sds_training.config_error import ConfigError

FAR_CAR = ('car', 60, 8, 26, 6)
ONLY = {
    'none': MixConfig(none=1, depth_mix=0, affine_mix=0),
    'class': MixConfig(class_mix=1, depth_mix=0, affine_mix=0),
    'depth': MixConfig(depth_mix=1, affine_mix=0),
    'affine': MixConfig(depth_mix=0, affine_mix=1),
}


@pytest.mark.parametrize('kind', ONLY)
def test_the_same_seed_draws_and_mixes_the_same(
    kind: str, batch_of: Scenes, lenses: Lenses
) -> None:
    scene = batch_of([CAR], [FAR_CAR], [CAR, FAR_CAR])
    plan = draw_mix(scene, lenses(3), ONLY[kind], generator(5))
    again = draw_mix(scene, lenses(3), ONLY[kind], generator(5))
    for first, second in zip(apply_mix(scene, plan), apply_mix(scene, again), strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize('kind', ONLY)
def test_mixing_leaves_the_clean_scene_alone(kind: str, batch_of: Scenes, lenses: Lenses) -> None:
    scene = batch_of([CAR], [FAR_CAR])
    before = [part.clone() for part in scene]
    plan = draw_mix(scene, lenses(2), ONLY[kind], generator())
    mixed = apply_mix(scene, plan)
    assert all(torch.equal(a, b) for a, b in zip(before, scene, strict=True))
    assert all(a.data_ptr() != b.data_ptr() for a, b in zip(mixed, scene, strict=True))


def test_kinds_are_drawn_as_often_as_the_config_says(batch_of: Scenes, lenses: Lenses) -> None:
    scene = batch_of(*[[CAR]] * 4)
    config = MixConfig(none=0.5, class_mix=0.25, depth_mix=0.25, affine_mix=0.0)
    kinds = [
        kind
        for seed in range(100)
        for kind in draw_mix(scene, lenses(4), config, generator(seed)).kinds
    ]
    for kind, share in (('none', 0.5), ('class', 0.25), ('depth', 0.25)):
        assert abs(kinds.count(kind) / 400 - share) < 0.08


def test_a_plan_tells_what_share_each_mix_has() -> None:
    plan = MixPlan(('affine', 'depth', 'affine', 'none'), ((),) * 4)
    assert [plan.share(kind) for kind in ('affine', 'depth', 'class')] == [0.5, 0.25, 0.0]


def test_drawing_none_returns_the_scene(batch_of: Scenes, lenses: Lenses) -> None:
    scene = batch_of([CAR], [FAR_CAR])
    mixed = apply_mix(scene, draw_mix(scene, lenses(2), ONLY['none'], generator()))
    assert all(torch.equal(a, b) for a, b in zip(mixed, scene, strict=True))


@pytest.mark.parametrize('kind', ['class', 'depth'])
def test_every_pixel_comes_whole_from_one_of_the_two_pictures(
    kind: str, batch_of: Scenes, lenses: Lenses
) -> None:
    scene = batch_of([CAR], [FAR_CAR])
    mixed = apply_mix(scene, draw_mix(scene, lenses(2), ONLY[kind], generator()))
    for target, source in ((0, 1), (1, 0)):
        taken = (mixed.image[target] == scene.image[source]).all(dim=0)
        assert taken.any() and not taken.all()
        for part, clean in zip(mixed, scene, strict=True):
            assert torch.equal(part[target], torch.where(taken, clean[source], clean[target]))


def test_void_stays_void(batch_of: Scenes, lenses: Lenses) -> None:
    scene = batch_of([CAR], [FAR_CAR])
    scene.label[:, :, ::7] = UNLABELLED
    scene.confidence.mul_(scene.label != UNLABELLED)
    for config in ONLY.values():
        mixed = apply_mix(scene, draw_mix(scene, lenses(2), config, generator(1)))
        void = mixed.label == UNLABELLED
        assert torch.equal(void, (scene.label == UNLABELLED) & void)  # no new void
        assert not mixed.confidence[void].any()
    still_void = scene.label[0] == UNLABELLED
    nothing = apply_mix(scene, MixPlan(('none', 'none'), ((), ())))
    assert (nothing.label[0][still_void] == UNLABELLED).all()


def test_class_mix_takes_half_of_the_classes_and_never_void() -> None:
    label = torch.arange(5).repeat_interleave(4).view(4, 5)
    label[0, 0] = UNLABELLED
    for seed in range(20):
        mask = class_mask(label, generator(seed))
        chosen, left = set(label[mask].tolist()), set(label[~mask].tolist())
        assert len(chosen) == 3 and not chosen & left and UNLABELLED not in chosen


def test_class_mix_of_an_unlabelled_picture_takes_nothing() -> None:
    assert not class_mask(torch.full((4, 4), UNLABELLED), generator()).any()


def test_nearness_runs_from_zero_to_one_whatever_the_unit_of_depth() -> None:
    depth = 1 + torch.rand(6, 7, generator=generator())
    nearness = relative_nearness(depth)
    assert nearness.min() == 0 and nearness.max() == 1
    torch.testing.assert_close(relative_nearness(9 * depth), nearness)


def test_depth_mix_takes_what_is_nearer_within_the_margin() -> None:
    target = torch.tensor([[1.0, 2.0, 4.0]])  # nearness 1, 1/3, 0
    source = torch.tensor([[4.0, 2.05, 1.0]])  # nearness 0, 0.317, 1
    assert depth_mask(source, target, 0.03).tolist() == [[False, True, True]]
    assert depth_mask(source, target, 0.0).tolist() == [[False, False, True]]


def test_depth_mix_with_itself_changes_nothing(batch_of: Scenes, lenses: Lenses) -> None:
    scene = batch_of([CAR])
    mixed = apply_mix(scene, draw_mix(scene, lenses(1), ONLY['depth'], generator()))
    assert all(torch.equal(a, b) for a, b in zip(mixed, scene, strict=True))


@pytest.mark.parametrize(('share', 'instead'), [(1e-9, 'depth'), (0.0, 'none')])
def test_without_a_movable_thing_depth_mix_takes_affine_mixs_place_if_it_is_wanted_at_all(
    share: float, instead: str, batch_of: Scenes, lenses: Lenses
) -> None:
    config = MixConfig(depth_mix=share, affine_mix=1 - share)
    scene = batch_of([], [CAR])
    plan = draw_mix(scene, lenses(2), config, generator())
    assert plan.kinds == ('affine', instead)  # the first receives the car, the second could not
    wanted = depth_mask(scene.depth[0, 0], scene.depth[1, 0], config.depth_margin)
    masks = [paste.mask for paste in plan.pastes[1]]
    assert len(masks) == (instead == 'depth') and all(torch.equal(m, wanted) for m in masks)


def test_chained_affine_mix_lays_its_objects_over_depth_mix(
    batch_of: Scenes, lenses: Lenses
) -> None:
    scene = batch_of([FAR_CAR], [CAR])
    config = MixConfig(depth_mix=0, affine_mix=1, chain=True)
    plan = draw_mix(scene, lenses(2), config, generator(1))
    assert plan.kinds[0] == 'affine' and len(plan.pastes[0]) == 2
    below, thing = plan.pastes[0]
    mixed = apply_mix(scene, plan)
    covered = torch.zeros_like(below.mask)
    covered[thing.placement.window] = thing.mask
    taken = below.mask & ~covered
    assert torch.equal(mixed.image[0][:, taken], scene.image[1][:, taken])
    assert (mixed.label[0][covered] == TRAIN_ID['car']).all()


def test_what_depth_mix_laid_before_it_hides_a_chained_thing(
    batch_of: Scenes, lenses: Lenses
) -> None:
    scene = batch_of([], [CAR, ('building', 13, 5, 44, 30)])  # a pillar beside the car
    plan = draw_mix(scene, lenses(2), replace(affine(0.8), chain=True), generator())
    below, thing = plan.pastes[0]
    covered = torch.zeros_like(below.mask)
    covered[thing.placement.window] = thing.mask
    assert bool(below.mask[14:44, 13:18].all() and covered.any())
    assert not bool(covered[14:44, 13:18].any())


@pytest.mark.parametrize('kind', ['class', 'depth', 'affine'])
def test_what_is_pasted_is_as_sure_as_where_it_came_from(
    kind: str, batch_of: Scenes, lenses: Lenses
) -> None:
    scene = batch_of([], [CAR])
    scene.confidence[0], scene.confidence[1] = 0.5, 0.95
    plan = draw_mix(scene, lenses(2), ONLY[kind], generator())
    mask, sure = pasted(plan, scene), apply_mix(scene, plan).confidence[0]
    assert bool(mask.any()) and torch.allclose(sure[mask], torch.tensor(0.95))
    assert bool((sure[~mask] == 0.5).all())


@pytest.mark.parametrize('seed', range(4))
def test_a_moved_thing_has_its_own_depth_up_to_its_edge(
    seed: int, batch_of: Scenes, lenses: Lenses
) -> None:
    scene = batch_of([FAR_CAR], [CAR])
    plan = draw_mix(scene, lenses(2), ONLY['affine'], generator(seed))
    mixed = apply_mix(scene, plan)
    ((thing,),) = (plan.pastes[0],)
    own = scene.depth[thing.source][scene.label[thing.source, None] == TRAIN_ID['car']].unique()
    laid = mixed.depth[0, 0][thing.placement.window][thing.mask].unique()
    torch.testing.assert_close(laid, own * thing.placement.depth_factor)


def test_probabilities_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ConfigError, match='^mix.none.* add up'):
        MixConfig(depth_mix=0.5, affine_mix=0.6)


@pytest.mark.parametrize('kind', ['class', 'depth', 'affine'])
def test_who_only_gives_is_not_mixed(kind: str, batch_of: Scenes, lenses: Lenses) -> None:
    scene = batch_of([], [], [CAR], [FAR_CAR])
    plan = draw_mix(scene, lenses(4), ONLY[kind], generator(), giver_of=[2, 3])
    assert {each.source for pastes in plan.pastes for each in pastes} <= {2, 3}
    assert len(plan.kinds) == len(apply_mix(scene, plan).image) == 2
