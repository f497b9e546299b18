"""The pose network and the direction of time."""

from __future__ import annotations

import pytest
import torch

from sds_training.config_error import ConfigError
from sds_training.geometry import invert_rigid, rigid_transform
from sds_training.networks.pose import (
    PoseConfig,
    PoseNetwork,
    predict_motion,
    source_from_target,
)

ANY = torch.full((2, 2, 4, 4), torch.nan)  # odometry that is not read


@pytest.fixture(scope='module')
def pose() -> PoseNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return PoseNetwork(PoseConfig()).eval()


def motions(
    pose: PoseNetwork,
    before: torch.Tensor,
    target: torch.Tensor,
    after: torch.Tensor,
    driven: torch.Tensor = ANY,
) -> torch.Tensor:
    frames = torch.stack((target, before, after), dim=1)
    said = predict_motion(pose, frames) if pose.config.learned else None
    return source_from_target(said, driven, pose.config.odometry)


def frames(count: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(2, 3, 32, 64, generator=generator) for _ in range(count)]


def test_a_pair_seen_from_either_end_has_inverse_motions(pose: PoseNetwork) -> None:
    a, b, x = frames(3)
    earlier_from_later = motions(pose, a, b, x)[:, 0]
    later_from_earlier = motions(pose, x, a, b)[:, 1]
    both = earlier_from_later @ later_from_earlier
    torch.testing.assert_close(both, torch.eye(4).expand(2, 4, 4), rtol=0, atol=1e-5)


def test_the_motion_to_the_later_frame_is_the_networks_own(pose: PoseNetwork) -> None:
    a, b, c = frames(3)
    found = motions(pose, a, b, c)
    torch.testing.assert_close(found[:, 1], rigid_transform(*pose(b, c)))
    torch.testing.assert_close(found[:, 0], invert_rigid(rigid_transform(*pose(a, b))))


def test_the_order_of_frames_matters(pose: PoseNetwork) -> None:
    a, b = frames(2)
    assert not torch.allclose(pose(a, b)[1], pose(b, a)[1], atol=1e-6)


def test_motions_start_small_but_not_at_zero(pose: PoseNetwork) -> None:
    turn, shift = pose(*frames(2))
    assert turn.shape == shift.shape == (2, 3)
    assert 0 < turn.abs().max() < 0.2 and 0 < shift.abs().max() < 0.2


def test_pairs_of_a_batch_do_not_affect_each_other(pose: PoseNetwork) -> None:
    a, b = frames(2)
    torch.testing.assert_close(pose(a, b)[1][:1], pose(a[:1], b[:1])[1], rtol=0, atol=1e-6)


def test_every_weight_of_the_pose_network_learns(pose: PoseNetwork) -> None:
    turn, shift = pose(*frames(2))
    gradients = torch.autograd.grad(turn.sum() + shift.square().sum(), list(pose.parameters()))
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


def test_a_timm_encoder_takes_both_frames_at_once() -> None:
    pose = PoseNetwork(PoseConfig(encoder='resnet18')).eval()
    turn, shift = pose(*frames(2))
    assert turn.shape == shift.shape == (2, 3)
    assert next(pose.encoder.parameters()).shape[1] == 6


def test_an_unknown_encoder_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match='resnet_none'):
        PoseNetwork(PoseConfig(encoder='resnet_none'))


def test_public_weights_of_the_small_encoder_are_refused() -> None:
    with pytest.raises(ConfigError, match='no public weights'):
        PoseConfig(pretrained=True)


def test_three_neighbours_are_refused(pose: PoseNetwork) -> None:
    (a,) = frames(1)
    with pytest.raises(ValueError, match='got 4 frames'):
        predict_motion(pose, a[:, None].expand(-1, 4, -1, -1, -1))


def ahead(length_m: float) -> torch.Tensor:
    """(2, 2, 4, 4): the earlier and the later camera from this one, straight ahead."""
    driven = torch.eye(4).repeat(2, 2, 1, 1)
    driven[:, 0, 2, 3], driven[:, 1, 2, 3] = length_m, -length_m
    return driven


@pytest.fixture(scope='module')
def on_wheels(pose: PoseNetwork) -> PoseNetwork:
    network = PoseNetwork(PoseConfig(odometry=True, translation_scale=0.5)).eval()
    network.load_state_dict(pose.state_dict())
    return network


@pytest.mark.parametrize('length_m', [0.0, 0.01, 3.0])
def test_how_far_is_the_vehicles_word(on_wheels: PoseNetwork, length_m: float) -> None:
    a, b, c = frames(3)
    found = motions(on_wheels, a, b, c, ahead(length_m))
    length = torch.linalg.vector_norm(found[..., :3, 3], dim=-1)
    torch.testing.assert_close(length, torch.full((2, 2), length_m))


def test_which_way_stays_the_networks(on_wheels: PoseNetwork) -> None:
    a, b, c = frames(3)
    later = motions(on_wheels, a, b, c, ahead(2.0))[:, 1]
    turn, aside = on_wheels(b, c)
    torch.testing.assert_close(later[:, :3, :3], rigid_transform(turn, aside)[:, :3, :3])
    wanted = torch.nn.functional.normalize(torch.tensor((0.0, 0.0, -1.0)) + aside, dim=1)
    torch.testing.assert_close(later[:, :3, 3], 2.0 * wanted)


def test_a_standing_vehicle_teaches_the_pose_network_nothing_wild(on_wheels: PoseNetwork) -> None:
    a, b, c = frames(3)
    found = motions(on_wheels, a, b, c, ahead(0.0))
    gradients = torch.autograd.grad(found.sum(), list(on_wheels.parameters()), allow_unused=True)
    assert all(each.isfinite().all() for each in gradients if each is not None)


def test_before_it_has_learnt_anything_the_motion_is_the_vehicles() -> None:
    torch.manual_seed(0)
    fresh = PoseNetwork(PoseConfig(odometry=True)).eval()
    a, b, c = frames(3)
    found = motions(fresh, a, b, c, ahead(2.0))
    torch.testing.assert_close(found, ahead(2.0))


def test_where_motions_are_aligned_the_vehicles_word_is_not_discussed(pose: PoseNetwork) -> None:
    aligned = PoseNetwork(PoseConfig(odometry=True, align=True)).eval()
    aligned.load_state_dict(pose.state_dict())
    a, b, c = frames(3)
    found = motions(aligned, a, b, c, ahead(2.0))
    torch.testing.assert_close(found, ahead(2.0))
    assert not aligned.config.learned and PoseConfig(align=True).learned


def test_the_pose_network_looks_at_pictures_as_encoders_are_used_to_them(
    pose: PoseNetwork,
) -> None:
    seen: list[torch.Tensor] = []
    hook = pose.encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    pose(torch.full((1, 3, 32, 64), 0.45), torch.full((1, 3, 32, 64), 0.675))
    hook.remove()
    earlier, later = seen[0].chunk(2, dim=1)
    torch.testing.assert_close(earlier, torch.zeros_like(earlier))
    torch.testing.assert_close(later, torch.ones_like(later))


def test_the_camera_turns_as_the_vehicle_says_and_then_as_the_network_says() -> None:
    turn = torch.tensor([[0.3, 0.0, 0.0], [0.0, 0.0, 0.2]])
    by_vehicle = rigid_transform(torch.tensor([[0.0, 0.4, 0.0]]), torch.tensor([[0.0, 0.0, -2.0]]))
    driven, said = by_vehicle[:, None].expand(1, 2, 4, 4), (turn, torch.zeros(2, 3))
    found = source_from_target(said, driven, odometry=True)
    wanted = rigid_transform(turn[1:], torch.zeros(1, 3)) @ by_vehicle
    torch.testing.assert_close(found[:, 1, :3, :3], wanted[:, :3, :3])
