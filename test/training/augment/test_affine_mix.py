"""AffineMix: things moved in depth are where geometry wants them, and hidden where it does."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from affine_streets import CAR, FREE, Ground, Lenses, Scenes, affine, generator, pasted

from sds_perception.labels import MOVABLE, TRAIN_ID
from sds_training.augment.mix import apply_mix, draw_mix
from sds_training.augment.mix_config import AffineMixConfig
from sds_training.augment.objects import movable_objects
from sds_training.augment.paste import Placement, sample_linear, sample_nearest
from sds_training.config_error import ConfigError

Pixel = tuple[float, float]


def test_scale_one_onto_itself_returns_the_input(batch_of: Scenes, lenses: Lenses) -> None:
    scene = batch_of([CAR])
    plan = draw_mix(scene, lenses(1), affine(1.0), generator())
    assert plan.kinds == ('affine',) and pasted(plan, scene).any()
    for before, after in zip(scene, apply_mix(scene, plan), strict=True):
        torch.testing.assert_close(after, before, rtol=0, atol=1e-6)


def test_a_thing_in_the_corner_may_stay_where_it_is(batch_of: Scenes, lenses: Lenses) -> None:
    scene = batch_of([('car', 0, 24, 24, 24)])
    plan = draw_mix(scene, lenses(1), affine(1.0), generator())
    corner = scene.label[0] == TRAIN_ID['car']
    assert corner[0, 0] and pasted(plan, scene).equal(corner)


def moved_pixels(
    pixels: torch.Tensor, scale: float, centre: Pixel, moved_centre: Pixel
) -> torch.Tensor:
    """Where pixels (..., 2) come to lie when their points move from Z to `scale` Z."""
    return pixels.new_tensor(moved_centre) + (pixels - pixels.new_tensor(centre)) / scale


@pytest.mark.parametrize('scale', [0.6, 1.0, 1.67])
def test_points_moved_in_depth_reproject_where_the_affine_map_says(scale: float) -> None:
    points = torch.rand(1000, 3, generator=generator(), dtype=torch.float64)
    points = points * torch.tensor([20.0, 6.0, 40.0]) + torch.tensor([-10.0, -3.0, 2.0])
    focal, centre = torch.tensor([700.0, 720.0]), (311.0, 127.5)

    def seen(each: torch.Tensor) -> torch.Tensor:
        return focal * each[:, :2] / each[:, 2:] + torch.tensor(centre)

    moved = points * torch.tensor([1.0, 1.0, scale], dtype=torch.float64)
    difference = seen(moved) - moved_pixels(seen(points).double(), scale, centre, centre)
    assert difference.abs().max() < 1e-4


@pytest.mark.parametrize('scale', [0.6, 1.3])
def test_what_is_sampled_for_a_pixel_lies_where_that_pixel_came_from(scale: float) -> None:
    columns, rows = torch.meshgrid(torch.arange(96.0), torch.arange(48.0), indexing='xy')
    motion = Placement(10, 30, 20, 24, scale, scale, (47.5, 19.5), (44.0, 21.0))
    found = sample_linear(torch.stack((columns, rows)), motion).movedim(0, -1)
    there = moved_pixels(found.double(), scale, (47.5, 19.5), (44.0, 21.0))
    wanted = torch.stack((columns, rows), dim=-1)[motion.window].double()
    torch.testing.assert_close(there, wanted, rtol=0, atol=1e-4)


def test_nearest_sampling_knows_what_lies_outside() -> None:
    motion = Placement(0, 0, 4, 4, scale=2.0)
    found = sample_nearest(torch.arange(16).view(4, 4), motion, outside=-1)
    assert found.tolist() == [[0, 2, -1, -1], [8, 10, -1, -1], [-1] * 4, [-1] * 4]


@pytest.mark.parametrize(
    ('scale', 'receiving_focal'), [(0.7, 60.0), (1.4, 60.0), (1.0, 96.0), (1.4, 80.0), (0.8, 45.0)]
)
def test_a_moved_car_has_its_size_depth_and_foot_behind_any_lens(
    scale: float, receiving_focal: float, batch_of: Scenes, lenses: Lenses
) -> None:
    scene = batch_of([], [CAR], focals=(receiving_focal, 60.0))
    cameras = lenses(2)
    cameras[0, 0, 0] = cameras[0, 1, 1] = receiving_focal
    mixed = apply_mix(scene, draw_mix(scene, cameras, affine(scale), generator()))
    rows, columns = torch.nonzero(mixed.label[0] == TRAIN_ID['car'], as_tuple=True)
    size = receiving_focal / 60.0 / scale
    assert abs((rows.max() - rows.min() + 1) - 10 * size) <= 1.5
    assert abs((columns.max() - columns.min() + 1) - 14 * size) <= 1.5
    depth = mixed.depth[0, 0][mixed.label[0] == TRAIN_ID['car']]
    torch.testing.assert_close(depth.median(), scale * scene.depth[1, 0, 30, 25])
    ground = scene.depth[0, 0, rows.max(), 0]  # of the road under the last row of the car
    assert abs(ground / depth.median() - 1) < 0.15


@pytest.mark.parametrize('scale', [0.8, 1.25])
@pytest.mark.parametrize(
    ('giving', 'receiving'),
    [((0.09, 1.5), (0.09, 1.5)), ((-0.04, 1.5), (0.09, 1.5)), ((0.04, 1.3), (0.0, 1.6))],
)
def test_a_moved_car_stands_on_the_road_of_cameras_that_look_down_and_hang_higher(
    scale: float, giving: Pixel, receiving: Pixel, batch_of: Scenes, lenses: Lenses, ground: Ground
) -> None:
    roads = torch.stack((ground(*receiving), ground(*giving)))
    scene = batch_of([], [CAR], grounds=tuple(roads))
    mixed = apply_mix(scene, draw_mix(scene, lenses(2), affine(scale), generator(), roads=roads))
    car = mixed.label[0] == TRAIN_ID['car']
    rows = torch.nonzero(car)[:, 0]
    assert abs((rows.max() - rows.min() + 1) - 10 / scale) <= 1.5  # the road hides none of it
    under = scene.depth[0, 0, rows.max(), 0]
    assert abs(under / mixed.depth[0, 0][car].median() - 1) < 0.15


def test_a_thing_moves_by_the_road_and_the_focal_length_of_rows(
    batch_of: Scenes, lenses: Lenses, ground: Ground
) -> None:
    scene, cameras = batch_of([], [CAR]), lenses(2)
    scene.depth[0] = 30.0  # nothing hides the car, ...
    scene.depth[0, 0, 0, 0] = 0.1  # ... and its depth is not out of range
    cameras[0, 0, 0], cameras[0, 1, 1] = 45.0, 75.0
    roads = torch.stack((ground(0.3, 1.6), ground()))
    ((paste,), _) = draw_mix(scene, cameras, affine(1.0), generator(), roads=roads).pastes
    lower_m = 1.6 / math.cos(0.3) - 1.5  # along the columns of the picture
    row = 19.5 - 75 * math.tan(0.3) + 75 * lower_m / scene.depth[1, 0, 30, 25].item()
    assert paste.placement.scale == pytest.approx(60 / 75)
    assert paste.placement.moved_centre_px == pytest.approx((47.5, row))


@pytest.mark.parametrize(('receiving_focal', 'left'), [(120.0, 20), (45.0, 40)])
def test_no_lens_makes_a_moved_thing_blurred_or_coarser_than_its_pixels(
    receiving_focal: float, left: int, batch_of: Scenes, lenses: Lenses
) -> None:
    cameras = lenses(2)
    cameras[0, 0, 0] = cameras[0, 1, 1] = receiving_focal
    scene = batch_of([], [('car', left, 14, 34, 10)], focals=(receiving_focal, 60.0))
    plans = [draw_mix(scene, cameras, affine(), generator(seed)) for seed in range(20)]
    scales = [paste.placement.scale for plan in plans for paste in plan.pastes[0]]
    assert len(scales) > 5 and min(scales) >= 0.6 and max(scales) <= 1.67


def test_pasted_pixels_belong_to_movable_things_only(batch_of: Scenes, lenses: Lenses) -> None:
    scene = batch_of([], [CAR, ('person', 50, 4, 36, 12), ('bus', 60, 20, 30, 16)])
    drawn = [draw_mix(scene, lenses(2), affine(max_objects=3), generator(s)) for s in range(20)]
    plans = [plan for plan in drawn if plan.kinds[0] == 'affine']
    assert len(plans) > 10
    for plan in plans:
        label, mask = apply_mix(scene, plan).label[0], pasted(plan, scene)
        assert mask.any() and set(label[mask].tolist()) <= set(MOVABLE)
        assert torch.equal(label[~mask], scene.label[0][~mask])


def test_nothing_is_pasted_where_the_target_is_nearer(batch_of: Scenes, lenses: Lenses) -> None:
    near = ('building', 24, 5, 44, 30)  # a pillar in front of where the car goes
    scene = batch_of([near], [CAR])
    tolerance = FREE.tolerance
    for seed in range(10):
        plan = draw_mix(scene, lenses(2), affine(max_objects=1), generator(seed))
        assert plan.kinds[0] == 'affine'
        mixed = apply_mix(scene, plan)
        changed = (mixed.image[0] != scene.image[0]).any(dim=0)
        assert changed.any()
        limit = scene.depth[0, 0] * (1 + tolerance)
        assert (mixed.depth[0, 0] <= limit)[changed].all()
        pillar = scene.depth[0, 0] < 4.0
        assert not (changed & pillar).any()  # the picture too, not only its labels


@pytest.mark.parametrize('scale', [0.7, 0.8, 1.2])
def test_a_thing_before_the_sky_keeps_its_edge(
    scale: float, batch_of: Scenes, lenses: Lenses
) -> None:
    scene = batch_of([], [('car', 40, 14, 30, 24)])
    above = scene.label == TRAIN_ID['building']
    scene.label[above] = TRAIN_ID['sky']
    scene.depth[:, 0][above] = 800.0
    plan = draw_mix(scene, lenses(2), affine(scale), generator())
    everywhere = draw_mix(scene, lenses(2), affine(scale, tolerance=1e6), generator())
    assert plan.kinds[0] == 'affine'
    assert torch.equal(pasted(plan, scene), pasted(everywhere, scene))


def test_a_nearly_hidden_things_last_fragment_is_dropped(batch_of: Scenes, lenses: Lenses) -> None:
    hides_most = ('building', 16, 16, 47, 40)  # leaves two of the car's 14 columns
    scene = batch_of([hides_most], [CAR])
    assert draw_mix(scene, lenses(2), affine(1.0), generator()).kinds[0] == 'none'
    kept = draw_mix(scene, lenses(2), affine(1.0, min_visible=0.05), generator())
    assert kept.kinds[0] == 'affine' and pasted(kept, scene).sum() == 20


def test_the_picture_is_feathered_inside_the_mask_and_labels_are_not(
    batch_of: Scenes, lenses: Lenses
) -> None:
    scene = batch_of([], [CAR])
    scene.image[0], scene.image[1] = 0.0, 1.0
    plan = draw_mix(scene, lenses(2), affine(1.0), generator())
    mixed = apply_mix(scene, plan)
    mask = pasted(plan, scene)
    assert (mixed.image[0][:, ~mask] == 0).all()
    inside = mixed.image[0, 0][mask]
    assert inside.max() > 0.99 and 0.3 < inside.min() < 0.7
    assert (mixed.label[0][mask] == TRAIN_ID['car']).all()


def test_between_crops_the_horizon_decides_the_row(batch_of: Scenes, lenses: Lenses) -> None:
    scene = batch_of([], [CAR])
    scene.depth[0] = 30.0  # nothing hides the car, ...
    scene.depth[0, 0, 0, 0] = 0.1  # ... and its depth is not out of range
    apart = lenses(2)
    apart[:, :2, 2] = torch.tensor([[47.5, 22.5], [40.0, 19.5]])  # the target's horizon: 3 lower
    plan = draw_mix(scene, apart, affine(1.0), generator())
    rows, columns = torch.nonzero(pasted(plan, scene), as_tuple=True)
    assert rows.max() == 33 + 3 and columns.min() == 20


def test_no_more_objects_than_allowed_and_sometimes_several(
    batch_of: Scenes, lenses: Lenses
) -> None:
    cars = [('car', left, 8, 34, 8) for left in (5, 20, 40, 60, 80)]
    scene = batch_of([], cars)
    counts = [
        len(draw_mix(scene, lenses(2), affine(1.2, max_objects=3), generator(seed)).pastes[0])
        for seed in range(30)
    ]
    assert set(counts) == {1, 2, 3}


def test_a_rider_and_the_bicycle_that_touches_are_one_thing() -> None:
    label = np.full((20, 40), TRAIN_ID['road'], np.uint8)
    label[2:8, 5:8] = TRAIN_ID['rider']
    label[8:12, 8:14] = TRAIN_ID['bicycle']  # touches the rider at a corner
    label[8:12, 30:36] = TRAIN_ID['bicycle']  # parked elsewhere
    label[2:12, 20:23] = TRAIN_ID['person']
    label[2:12, 23:25] = TRAIN_ID['car']  # behind the person, not part of him
    sizes = sorted(each.mask.sum() for each in movable_objects(label, (0.0, 1.0)))
    assert sizes == sorted([18 + 24, 24, 30, 20])


@pytest.mark.parametrize(
    'wrong',
    [
        {'scale_range': (1.2, 0.8)},
        {'area_range': (0.3, 0.2)},
        {'percentiles': (5, 120)},
        {'max_objects': 0},
        {'retries': -1},
        {'min_confidence': 3},
    ],
)
def test_impossible_limits_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError, match=f'^mix.affine.{next(iter(wrong))} is '):
        AffineMixConfig(**wrong)
