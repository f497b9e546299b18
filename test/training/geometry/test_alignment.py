"""Turns that are known, of a camera before a wall whose picture is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sds_training.geometry import PITCH, ROLL, rigid_transform, turned_to_fit

HEIGHT, WIDTH, FAR_M = 96, 192, 12.0
INTRINSICS = torch.tensor([[[160.0, 0, 95.5], [0, 160.0, 47.5], [0, 0, 1]]])
STILL = torch.zeros(1, 3)
AHEAD = torch.tensor([[0.0, 0.0, -0.8]])  # points come nearer
BUMP = torch.tensor([[0.004, 0.0, -0.003]])
DEPTH = torch.full((1, 1, HEIGHT // 2, WIDTH // 2), FAR_M)


def wall_from(motion: Tensor) -> Tensor:
    """(1, 3, H, W): the painted wall, seen after points moved by (1, 4, 4)."""
    row, column = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing='ij')
    k = INTRINSICS[0]
    ray = torch.stack(((column - k[0, 2]) / k[0, 0], (row - k[1, 2]) / k[1, 1]), -1)
    ray = torch.cat((ray, torch.ones(HEIGHT, WIDTH, 1)), -1) @ motion[0, :3, :3]
    centre = -motion[0, :3, 3] @ motion[0, :3, :3]
    at = centre + ray * ((FAR_M - centre[2]) / ray[..., 2:])
    x, y = at[..., 0], at[..., 1]
    paint = (1.3 * x).sin() * (1.7 * y).cos() + (3.1 * x + 2 * y).sin() + (2.3 * y - 4 * x).cos()
    return (0.5 + paint / 8).expand(1, 3, -1, -1)


def rigid(turn: Tensor, way: Tensor) -> Tensor:
    """(1, 4, 4): first moved, then turned."""
    return rigid_transform(turn, STILL) @ rigid_transform(STILL, way)


def found(sources: Tensor, motion: Tensor, depth: Tensor = DEPTH, **more: tuple) -> Tensor:
    target = wall_from(rigid(STILL, STILL))
    return turned_to_fit(target, sources[:, None], depth, motion[:, None], INTRINSICS, **more)[
        :, 0
    ]


def test_a_bump_is_found_to_a_hundredth_of_a_pixel() -> None:
    moved = rigid(BUMP, AHEAD)
    torch.testing.assert_close(
        found(wall_from(moved), rigid(STILL, AHEAD)), moved, rtol=0, atol=6e-5
    )


def test_a_turn_is_found_with_depth_half_as_far_as_it_is() -> None:
    turned = rigid(BUMP, STILL)
    seen = found(wall_from(turned), rigid(STILL, STILL), DEPTH / 2)
    torch.testing.assert_close(seen, turned, rtol=0, atol=6e-5)


def test_a_motion_that_fits_already_is_left_alone() -> None:
    moved = rigid(BUMP, AHEAD)
    torch.testing.assert_close(found(wall_from(moved), moved), moved, rtol=0, atol=6e-5)


def test_the_camera_turns_where_it_is() -> None:
    moved = found(wall_from(rigid(BUMP, AHEAD)), rigid(STILL, AHEAD))
    centre = -moved[0, :3, 3] @ moved[0, :3, :3]
    torch.testing.assert_close(centre, -AHEAD[0])


def test_axes_that_are_not_open_do_not_turn() -> None:
    askew = torch.tensor([[0.004, 0.003, -0.003]])
    seen = found(wall_from(rigid(askew, STILL)), rigid(STILL, STILL), axes=(PITCH, ROLL))
    assert seen[0, 0, 2].item() == pytest.approx(0, abs=3e-5)  # the sine of yaw
    assert seen[0, 2, 1].item() == pytest.approx(0.004, rel=0.2)


def test_what_moves_by_itself_is_not_listened_to() -> None:
    source = wall_from(rigid(BUMP, AHEAD)).clone()
    source[..., 30:70, 60:110] = source[..., 36:76, 68:118].clone()
    seen = found(source, rigid(STILL, AHEAD))
    torch.testing.assert_close(seen, rigid(BUMP, AHEAD), rtol=0, atol=3e-4)


def test_another_exposure_does_not_turn_the_camera() -> None:
    source = wall_from(rigid(BUMP, AHEAD)) + 0.05
    seen = found(source, rigid(STILL, AHEAD))
    torch.testing.assert_close(seen, rigid(BUMP, AHEAD), rtol=0, atol=2e-4)


def test_pictures_that_show_nothing_turn_nothing() -> None:
    grey = torch.full((1, 3, HEIGHT, WIDTH), 0.5)
    motion = rigid(STILL, AHEAD)
    seen = turned_to_fit(grey, grey[:, None], DEPTH, motion[:, None], INTRINSICS)[:, 0]
    torch.testing.assert_close(seen, motion)


def test_the_motion_keeps_its_graph() -> None:
    way = AHEAD.clone().requires_grad_()
    found(wall_from(rigid(BUMP, AHEAD)), rigid(STILL, way)).sum().backward()
    assert way.grad is not None and way.grad.abs().sum() > 0


def test_a_turn_too_large_for_neighbouring_frames_is_not_believed() -> None:
    large = torch.tensor([[0.03, 0.0, 0.0]])
    seen = found(wall_from(rigid(large, STILL)), rigid(STILL, STILL))
    assert 0.015 < seen[0, 2, 1] < 0.0201  # the sine of pitch


def test_each_clip_of_a_batch_is_turned_as_it_is_alone() -> None:
    bumps = torch.tensor([[0.004, 0.0, -0.003], [-0.003, 0.002, 0.004]])
    target = wall_from(rigid(STILL, STILL)).expand(2, -1, -1, -1)
    motion = rigid(STILL, AHEAD).expand(2, 2, 4, 4)
    sources = torch.stack([wall_from(rigid(bump[None], AHEAD)) for bump in bumps], dim=1)
    sources = torch.cat((sources, sources.flip(1)))
    given = (target, sources, torch.cat((DEPTH, DEPTH / 2)), motion, INTRINSICS.expand(2, 3, 3))
    both = turned_to_fit(*given)
    for place in (0, 1):
        alone = turned_to_fit(*(each[place : place + 1] for each in given))
        torch.testing.assert_close(both[place : place + 1], alone, rtol=0, atol=1e-5)
