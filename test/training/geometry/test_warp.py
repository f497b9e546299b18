"""View synthesis on planes whose picture is known."""

from __future__ import annotations

import torch

from sds_training.geometry import rigid_transform, warp

HEIGHT, WIDTH = 24, 40
INTRINSICS = torch.tensor([[[30.0, 0, 19.5], [0, 30.0, 11.5], [0, 0, 1]]])


def noise(seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed))


def wall(depth: float) -> torch.Tensor:
    return torch.full((1, 1, HEIGHT, WIDTH), depth)


def moved(x: float = 0, y: float = 0, z: float = 0) -> torch.Tensor:
    return rigid_transform(torch.zeros(1, 3), torch.tensor([[x, y, z]]))


def ramp() -> torch.Tensor:
    """A picture whose first channel is u, second v, in pixels."""
    columns, rows = torch.meshgrid(torch.arange(WIDTH), torch.arange(HEIGHT), indexing='xy')
    return torch.stack((columns, rows, rows)).float()[None]


def test_a_still_camera_sees_itself() -> None:
    source = noise()
    seen = warp(source, wall(3.0) + noise(1)[:, :1], moved(), INTRINSICS)
    torch.testing.assert_close(seen, source, rtol=0, atol=1e-4)


def test_a_wall_seen_from_one_metre_nearer_is_larger_by_the_ratio_of_depths() -> None:
    # The source camera stands 1 m ahead of the target camera: points are 1 m nearer there.
    seen = warp(ramp(), wall(4.0), moved(z=-1.0), INTRINSICS)
    u, v = torch.tensor(25.0), torch.tensor(9.0)
    wanted = torch.stack((19.5 + (u - 19.5) * 4 / 3, 11.5 + (v - 11.5) * 4 / 3))
    torch.testing.assert_close(seen[0, :2, 9, 25], wanted, rtol=0, atol=1e-4)


def test_a_sideways_step_moves_near_things_more() -> None:
    for depth in (2.0, 6.0):
        seen = warp(ramp(), wall(depth), moved(x=0.2), INTRINSICS)
        torch.testing.assert_close(seen[0, 0, 10, 20], torch.tensor(20 + 30 * 0.2 / depth))


def test_outside_the_source_its_border_is_seen() -> None:
    source = noise()
    seen = warp(source, wall(1.0), moved(x=100.0), INTRINSICS)
    torch.testing.assert_close(seen, source[..., -1:].expand_as(source))


def test_each_frame_is_warped_with_its_own_motion_and_camera() -> None:
    both = warp(
        noise().expand(2, -1, -1, -1),
        wall(3.0).expand(2, -1, -1, -1),
        torch.cat((moved(x=0.3), moved(z=-0.5))),
        torch.cat((INTRINSICS, INTRINSICS * torch.tensor([1.2, 1.2, 1.0])[:, None])),
    )
    one = warp(noise(), wall(3.0), moved(x=0.3), INTRINSICS)
    torch.testing.assert_close(both[:1], one, rtol=0, atol=1e-6)
    assert not torch.allclose(both[1:], one)


def test_depth_and_motion_both_receive_gradients() -> None:
    depth = wall(3.0).requires_grad_()
    motion = moved(x=0.3).requires_grad_()
    warp(noise(), depth, motion, INTRINSICS).square().mean().backward()
    assert depth.grad.abs().sum() > 0 and motion.grad.abs().sum() > 0
