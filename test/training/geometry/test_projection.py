"""Pixels, points and rigid motions."""

from __future__ import annotations

import math

import torch

from sds_perception.camera import Camera
from sds_training.geometry.motion import invert_rigid, rigid_transform, transform_points
from sds_training.geometry.projection import backproject, project, resized_intrinsics

CAMERA = Camera(fx=30.0, fy=33.0, cx=17.25, cy=9.5, width=40, height=24)


def intrinsics(batch: int = 1) -> torch.Tensor:
    return torch.tensor(CAMERA.matrix, dtype=torch.float32).expand(batch, 3, 3)


def random_depth(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 1 + 20 * torch.rand(2, 1, CAMERA.height, CAMERA.width, generator=generator)


def test_projecting_what_was_lifted_returns_every_pixel() -> None:
    pixels = project(backproject(random_depth(), intrinsics(2)), intrinsics(2))
    columns, rows = torch.meshgrid(
        torch.arange(CAMERA.width), torch.arange(CAMERA.height), indexing='xy'
    )
    wanted = torch.stack((columns, rows), dim=-1).float().expand(2, -1, -1, -1)
    torch.testing.assert_close(pixels, wanted, rtol=0, atol=1e-4)


def test_lifting_agrees_with_the_cameras_own_rays() -> None:
    depth = random_depth()
    rays = torch.from_numpy(CAMERA.rays()).permute(2, 0, 1)
    torch.testing.assert_close(backproject(depth, intrinsics(2)), rays * depth)


def test_a_point_behind_the_camera_is_not_mirrored_into_the_picture() -> None:
    behind = torch.tensor([1.0, -1.0, -5.0]).view(1, 3, 1, 1)
    u, v = project(behind, intrinsics())[0, 0, 0].tolist()
    assert u > CAMERA.width and v < 0


def test_moving_forward_by_one_metre_brings_a_wall_one_metre_nearer() -> None:
    wall = backproject(torch.full((1, 1, CAMERA.height, CAMERA.width), 7.0), intrinsics())
    forward = rigid_transform(torch.zeros(1, 3), torch.tensor([[0.0, 0.0, -1.0]]))
    moved = transform_points(wall, forward)
    torch.testing.assert_close(moved[:, 2], torch.full_like(moved[:, 2], 6.0))
    torch.testing.assert_close(moved[:, :2], wall[:, :2])


def test_axis_angle_turns_about_its_axis_by_the_right_hand() -> None:
    quarter = torch.tensor([[0.0, 0.0, math.pi / 2]])
    turned = rigid_transform(quarter, torch.zeros(1, 3))[0, :3, :3] @ torch.tensor([1.0, 0.0, 0.0])
    torch.testing.assert_close(turned, torch.tensor([0.0, 1.0, 0.0]), rtol=0, atol=1e-6)


def test_rotations_agree_with_the_matrix_exponential() -> None:
    vector = torch.randn(16, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    basis = torch.eye(3, dtype=torch.float64).expand(16, 3, 3)
    cross = torch.linalg.cross(vector[:, None, :], basis, dim=2).transpose(1, 2)
    wanted = torch.linalg.matrix_exp(cross)
    found = rigid_transform(vector, torch.zeros_like(vector))[:, :3, :3]
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-9)


def test_a_motion_and_its_inverse_cancel() -> None:
    generator = torch.Generator().manual_seed(2)
    motion = rigid_transform(*torch.randn(2, 8, 3, generator=generator).unbind())
    both = invert_rigid(motion) @ motion
    torch.testing.assert_close(both, torch.eye(4).expand(8, 4, 4), rtol=0, atol=1e-5)


def test_no_motion_is_the_identity_and_has_a_finite_gradient() -> None:
    still = torch.zeros(1, 3, requires_grad=True)
    motion = rigid_transform(still, torch.zeros(1, 3))
    torch.testing.assert_close(motion[0], torch.eye(4), rtol=0, atol=1e-6)
    motion[0, 2, 1].backward()
    torch.testing.assert_close(still.grad, torch.tensor([[1.0, 0.0, 0.0]]), rtol=0, atol=1e-5)


def test_resized_intrinsics_are_those_of_the_resized_camera() -> None:
    small = resized_intrinsics(intrinsics(), (24, 40), (18, 16))
    wanted = torch.tensor(CAMERA.resized(16, 18).matrix, dtype=torch.float32)
    torch.testing.assert_close(small[0], wanted)
