"""AffineMix: which places will do for a thing, and which are refused."""

from __future__ import annotations

import pytest
import torch
from affine_streets import CAR, Lenses, Scenes, affine, generator, pasted

from sds_perception.labels import SKY
from sds_training.augment.mix import draw_mix


def test_depths_the_target_does_not_have_are_rejected(batch_of: Scenes, lenses: Lenses) -> None:
    scene = batch_of([], [CAR])
    scene.depth[1] *= 100
    config = affine(1.0, percentiles=(5.0, 95.0))
    assert draw_mix(scene, lenses(2), config, generator()).kinds[0] == 'none'


@pytest.mark.parametrize('rows', [20, 40])  # up to the horizon; nearly all there is
def test_the_sky_is_no_depth_that_a_target_has(
    rows: int, batch_of: Scenes, lenses: Lenses
) -> None:
    scene = batch_of([], [CAR])
    scene.label[0, :rows], scene.depth[0, 0, :rows] = SKY, 800.0
    scene.depth[1] *= 100
    config = affine(1.0, percentiles=(5.0, 95.0))
    assert draw_mix(scene, lenses(2), config, generator()).kinds[0] == 'none'
    scene.label[0] = SKY
    assert draw_mix(scene, lenses(2), config, generator()).kinds[0] == 'none'


@pytest.mark.parametrize(
    ('left', 'foot', 'scale', 'kind'),
    [
        (2, 40, 0.6, 'none'),  # magnified, its columns move to -28 .. -4
        (2, 40, 1.2, 'affine'),
        (2, 34, 0.7, 'none'),  # to -18 .. 2
        (10, 34, 0.7, 'affine'),  # to -6 .. 14
    ],
)
def test_a_thing_that_would_mostly_leave_the_picture_is_rejected(
    left: int, foot: int, scale: float, kind: str, batch_of: Scenes, lenses: Lenses
) -> None:
    scene = batch_of([], [('car', left, 14, foot, 10)])
    assert draw_mix(scene, lenses(2), affine(scale), generator()).kinds[0] == kind


@pytest.mark.parametrize('left', [0, 82])
def test_what_either_side_cuts_off_comes_nearer_but_never_goes_away(
    left: int, batch_of: Scenes, lenses: Lenses
) -> None:
    scene = batch_of([], [('car', left, 14, 40, 10)])  # its cut side would stand in the street
    assert draw_mix(scene, lenses(2), affine(1.2), generator()).kinds[0] == 'none'
    assert draw_mix(scene, lenses(2), affine(0.9), generator()).kinds[0] == 'affine'


@pytest.mark.parametrize(('retries', 'always'), [(0, False), (20, True)])
def test_a_choice_that_will_not_do_is_drawn_again(
    retries: int, always: bool, batch_of: Scenes, lenses: Lenses
) -> None:
    scene = batch_of([], [('car', 0, 14, 40, 10), ('car', 40, 14, 34, 10)])  # the first is cut off
    config = affine(1.2, retries=retries)
    kinds = [draw_mix(scene, lenses(2), config, generator(seed)).kinds[0] for seed in range(20)]
    assert (set(kinds) == {'affine'}) is always


def test_a_thing_behind_a_wall_is_not_pasted(batch_of: Scenes, lenses: Lenses) -> None:
    wall = ('building', 0, 96, 47, 46)
    scene = batch_of([wall], [CAR])
    assert draw_mix(scene, lenses(2), affine(1.5), generator()).kinds[0] == 'none'


def test_unsure_and_tiny_things_stay_where_they_are(batch_of: Scenes, lenses: Lenses) -> None:
    scene = batch_of([], [CAR])
    unsure = scene._replace(confidence=scene.confidence * 0.85)
    assert draw_mix(unsure, lenses(2), affine(1.0), generator()).kinds[0] == 'none'
    large_only = affine(1.0, area_range=(0.1, 0.2))
    assert draw_mix(scene, lenses(2), large_only, generator()).kinds[0] == 'none'


def test_a_sideways_move_is_drawn_within_its_limit(batch_of: Scenes, lenses: Lenses) -> None:
    scene = batch_of([], [CAR])
    config = affine(1.0, max_shift=0.1)
    lefts = set()
    for seed in range(20):
        plan = draw_mix(scene, lenses(2), config, generator(seed))
        lefts.add(int(torch.nonzero(pasted(plan, scene))[:, 1].min()))
    assert len(lefts) > 3 and min(lefts) >= 10 and max(lefts) <= 30
