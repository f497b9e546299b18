"""What the ground tells about depth, on a street whose every depth is known."""

from __future__ import annotations

import math

import pytest
import torch

from sds_perception.labels import TRAIN_ID
from sds_training.losses.feet import feet, groups_of, nearness_of_feet
from sds_training.losses.ground import ground_loss, slope_of_rays

SIZE = (64, 96)
HEIGHT_M = 1.5
INTRINSICS = torch.tensor([[[80.0, 0, 47.5], [0, 80.0, 20.0], [0, 0, 1]]])
PLANE = torch.tensor([[0.0, 1.0, 0.0, HEIGHT_M]])
SLOPE = slope_of_rays(PLANE[:, :3], INTRINSICS, SIZE)
UNKNOWN = torch.full((1, 4), float('nan'))


def street(thing: str = 'car', foot: int = 40, top: int = 26) -> tuple[torch.Tensor, torch.Tensor]:
    """A road under a sky, and a thing whose last row is above row `foot`: depth and label."""
    depth = HEIGHT_M / SLOPE.clamp(min=1e-3)
    label = torch.full((1, *SIZE), TRAIN_ID['sky'])
    label[:, 24:] = TRAIN_ID['road']
    label[:, top:foot, 30:60] = TRAIN_ID[thing]
    edge = (SLOPE[..., foot, :] + SLOPE[..., foot - 1, :]) / 2
    depth[..., top:foot, 30:60] = HEIGHT_M / edge[..., None, 30:60]
    return depth, label


def striding() -> tuple[torch.Tensor, torch.Tensor]:
    """A person between whose legs one sees the road behind."""
    depth, label = street('person', foot=44)
    label[:, 36:44, 34:42] = TRAIN_ID['road']
    depth[:, :, 36:44, 34:42] = HEIGHT_M / SLOPE[:, :, 36:44, 34:42]
    return depth, label


def standing(depth: torch.Tensor, label: torch.Tensor, plane: torch.Tensor = PLANE) -> float:
    return ground_loss(depth, label, plane, INTRINSICS).standing.item()


def nearness_above(foot: int) -> float:
    """1 / depth of the ground at the upper edge of row `foot`."""
    return ((SLOPE[0, 0, foot, 0] + SLOPE[0, 0, foot - 1, 0]) / 2 / HEIGHT_M).item()


def nearness_in(label: torch.Tensor) -> torch.Tensor:
    """(H, W) 1 / depth at the feet of what stands in each pixel, 0 where that is unknown."""
    depth = HEIGHT_M / SLOPE.clamp(min=1e-3)
    told, known = nearness_of_feet(depth, groups_of(label), SLOPE, INTRINSICS[:, 0, 0])
    return (told * known)[0, 0]


def test_the_true_depth_contradicts_nothing() -> None:
    found = ground_loss(*street(), PLANE, INTRINSICS)
    assert found.road.item() == pytest.approx(0, abs=1e-5)
    assert found.standing.item() == pytest.approx(0, abs=1e-5)


def test_a_road_a_tenth_too_far_costs_its_logarithm() -> None:
    depth, label = street()
    found = ground_loss(1.1 * depth, label, PLANE, INTRINSICS)
    assert found.road.item() == pytest.approx(torch.tensor(1.1).log().item(), rel=1e-4)


def test_road_that_no_ray_can_meet_is_not_asked() -> None:
    depth, label = street()
    label[:, 10:24] = TRAIN_ID['road']
    depth[:, :, 10:21] = 3.0
    assert ground_loss(depth, label, PLANE, INTRINSICS).road.item() == pytest.approx(0, abs=1e-5)


def test_things_are_compared_with_the_ground_and_not_with_metres() -> None:
    depth, label = street()
    assert standing(7 * depth, label) == pytest.approx(0, abs=1e-5)
    depth[label[:, None] == TRAIN_ID['car']] *= 2
    assert standing(depth, label) == pytest.approx(torch.tensor(2.0).log().item(), rel=1e-3)


def test_an_unknown_mounting_silences_the_road_and_is_taken_for_level() -> None:
    depth, label = street()
    found = ground_loss(2 * depth, label, UNKNOWN, INTRINSICS)
    assert found.road.item() == 0
    assert found.standing.item() == pytest.approx(0, abs=1e-5)


def test_only_the_thing_is_moved_never_the_ground_it_stands_on() -> None:
    depth, label = street()
    depth = (depth * (1 + (label[:, None] == TRAIN_ID['car']))).requires_grad_()
    ground_loss(depth, label, UNKNOWN, INTRINSICS).standing.backward()
    moved = depth.grad != 0
    assert moved.any() and not moved[label[:, None] != TRAIN_ID['car']].any()


def test_what_touches_no_ground_teaches_nothing() -> None:
    depth, label = street()
    label[:, 40:44] = TRAIN_ID['bicycle']  # hides the car's wheels
    label[:, 44:] = 255
    depth = (3 * depth).requires_grad_()
    loss = ground_loss(depth, label, UNKNOWN, INTRINSICS).standing
    loss.backward()
    assert loss.item() == 0 and not depth.grad.any()


def test_what_stands_on_the_horizon_is_not_placed() -> None:
    _, label = street('building', foot=21, top=10)
    label[:, 21:] = TRAIN_ID['road']  # fifty camera heights away and more
    assert not feet(groups_of(label), SLOPE)[1].any()


def test_what_is_taller_than_its_kind_stands_somewhere_behind() -> None:
    _, label = street('person', foot=40, top=2)  # at 6 m: the rows above 12 are over 2.1 m
    known = feet(groups_of(label), SLOPE)[1][0, 0]
    assert known[14:40, 30:60].all() and not known[:10].any()


def test_a_rider_stands_on_his_bicycle() -> None:
    _, label = street('rider')
    label[:, 34:40, 30:60] = TRAIN_ID['bicycle']
    assert feet(groups_of(label), SLOPE)[1][0, 0, 26:40, 30:60].all()


def test_a_person_stands_where_the_nearer_foot_does() -> None:
    depth, label = striding()
    assert standing(depth, label) == pytest.approx(0, abs=1e-5)


def test_a_truck_stands_on_the_line_between_its_wheels() -> None:
    depth, label = street(foot=44)
    label[:, 26:44, 10:80] = TRAIN_ID['truck']
    depth[:, :, 26:44, 10:80] = depth[0, 0, 43, 40]
    label[:, 36:44, 16:74] = TRAIN_ID['road']  # below its body one sees the road behind
    depth[:, :, 36:44, 16:74] = HEIGHT_M / SLOPE[:, :, 36:44, 16:74]
    assert standing(depth, label) < 0.05  # that road is 1.5 times as far as the truck
    here = label[:, None] == TRAIN_ID['truck']
    assert standing(torch.where(here, depth / 2, depth), label) == pytest.approx(0.693, abs=0.05)


@pytest.mark.parametrize(
    ('first', 'nearer_costs'), [(0, False), (30, True), (SIZE[1] - 30, False)]
)
@pytest.mark.parametrize('thing', ['truck', 'rider', 'bicycle'])
def test_the_ground_under_what_either_side_cuts_off_is_only_a_bound(
    thing: str, first: int, nearer_costs: bool
) -> None:
    depth, label = (each.roll(first - 30, -1) for each in street(thing))
    here = label[:, None] == TRAIN_ID[thing]
    assert standing(torch.where(here, depth * 2, depth), label) > 0.5
    nearer = math.log(2) if nearer_costs else 0.0
    found = standing(torch.where(here, depth / 2, depth), label)
    assert found == pytest.approx(nearer, rel=1e-3, abs=1e-4)


def test_no_line_leads_from_a_near_vehicle_to_a_far_one() -> None:
    _, label = street('truck', foot=60)  # near in columns 30 to 59, far beside it
    label[:, 26:30, 60:96] = TRAIN_ID['truck']
    label[:, 30:60, 60:96] = TRAIN_ID['road']
    assert nearness_in(label)[28, 75].item() == pytest.approx(nearness_above(30))


def test_no_line_is_longer_than_four_camera_heights_to_a_side() -> None:
    _, label = street()
    label[:, 24:] = TRAIN_ID['road']
    label[:, 24:27] = TRAIN_ID['truck']  # at 17 m, where a camera height is 7 columns
    label[:, 24:31, 10:15] = label[:, 24:31, 74:79] = TRAIN_ID['truck']
    assert nearness_in(label)[25, 44].item() == pytest.approx(nearness_above(27))


def test_no_line_leads_over_a_thing_of_another_kind() -> None:
    _, label = street('truck', foot=30)
    label[:, 26:33, 20:40] = label[:, 26:33, 50:70] = TRAIN_ID['car']
    assert nearness_in(label)[28, 45].item() == pytest.approx(nearness_above(30))


def test_sideways_is_measured_by_the_focal_length_of_columns() -> None:
    depth, label = striding()
    narrow = INTRINSICS.clone()
    narrow[:, 0, 0] = 1.0  # feet are many camera heights apart
    assert ground_loss(depth, label, PLANE, INTRINSICS).standing < 1e-5
    assert ground_loss(depth, label, PLANE, narrow).standing > 0.01


def test_the_ground_is_read_clear_of_the_edge_and_where_it_is_ground() -> None:
    depth, label = street()
    depth[:, :, 40:43] /= 2  # blends with the car above it
    assert standing(depth, label) == pytest.approx(0, abs=1e-5)
    depth, label = street()
    depth[:, :, 42:], label[:, 42:] = 1.0, 255  # the hood: nothing is known there
    assert standing(depth, label) == pytest.approx(0, abs=1e-5)


def test_a_class_counts_as_the_root_of_its_pixels() -> None:
    depth, label = street('building', top=4)
    label[:, 26:40, 70:80] = TRAIN_ID['person']
    edge = (SLOPE[..., 40, :] + SLOPE[..., 39, :]) / 2
    depth[..., 26:40, 70:80] = HEIGHT_M / edge[..., None, 70:80]
    depth[..., 4:40, 30:60] *= 2
    house, person = (36 * 30) ** 0.5, (14 * 10) ** 0.5
    wanted = house / (house + person) * torch.tensor(2.0).log().item()
    assert standing(depth, label) == pytest.approx(wanted, rel=1e-3)


def test_no_frames_are_zero_with_a_graph() -> None:
    depth = torch.rand(0, 1, *SIZE).requires_grad_()
    label = torch.zeros(0, *SIZE, dtype=torch.long)
    found = ground_loss(depth, label, torch.zeros(0, 4), torch.zeros(0, 3, 3))
    (found.road + found.standing).backward()
    assert found.road.item() == found.standing.item() == 0
