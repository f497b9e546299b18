"""Laws of the truth: depth, pose, labels and motion describe the very pictures beside them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sds_perception.labels import CLASSES
from sds_training.streets.drive import EGO_VEHICLE, FIRST_INSTANCE_LABEL, Drive, draw_drive
from sds_training.streets.motion import RATE_HZ, draw_motion
from sds_training.streets.path import draw_path
from sds_training.streets.street import LABEL_ID


def _warped(drive: Drive, target: int, source: int) -> tuple[np.ndarray, ...]:
    """The target, the source seen from the target by true depth and pose, and where that holds.

    It holds where nothing moves, nothing was hidden, and the surface is smooth on both sides.
    """
    here, there = drive.render(target), drive.render(source)
    camera = drive.sensor.camera
    points = camera.rays() * here.depth_m[..., None]
    move = np.linalg.inv(there.world_from_camera) @ here.world_from_camera
    points = points @ move[:3, :3].T + move[:3, 3]
    at = camera.project(points).astype(np.float32)
    found = cv2.remap(there.image, at, None, cv2.INTER_LINEAR).astype(np.float32)
    depth = cv2.remap(there.depth_m, at, None, cv2.INTER_NEAREST, borderValue=np.nan)
    moving = cv2.remap(there.moving.astype(np.uint8), at, None, cv2.INTER_NEAREST) > 0
    seen = np.abs(depth - points[..., 2]) < 0.02 * points[..., 2]
    kernel = np.ones((3, 3), np.uint8)
    bright = here.image.max(-1)
    flat = cv2.dilate(bright, kernel).astype(int) - cv2.erode(bright, kernel) < 20
    return here.image.astype(np.float32), found, seen & flat & ~moving & ~here.moving


Warped = tuple[np.ndarray, ...]


@pytest.fixture(scope='module')
def warped(clean_drive: Drive) -> Warped:
    """`_warped` of two frames in a row."""
    return _warped(clean_drive, 1, 2)


def test_the_neighbour_warped_by_true_depth_and_pose_is_the_target(warped: Warped) -> None:
    target, found, holds = warped
    assert holds.mean() > 0.15
    assert np.abs(target - found).mean(-1)[holds].mean() < 2.5  # of 255


def test_the_neighbour_left_as_it_is_fits_worse(clean_drive: Drive, warped: Warped) -> None:
    target, found, holds = warped
    right = np.abs(target - found).mean(-1)[holds].mean()
    unmoved = clean_drive.render(2).image.astype(np.float32)
    assert np.abs(target - unmoved).mean(-1)[holds].mean() > 1.5 * right


def test_sky_and_hood_have_no_depth_and_everything_else_has(rendered_drive: Drive) -> None:
    frame = rendered_drive.render(0)
    nowhere = np.isin(frame.label_ids, [LABEL_ID['sky'], EGO_VEHICLE])
    assert np.array_equal(np.isnan(frame.depth_m), nowhere)
    assert (frame.depth_m[~nowhere] > 0).all()


def test_the_ground_lies_where_the_camera_height_says(rendered_drive: Drive) -> None:
    frame = rendered_drive.render(1)
    road = frame.label_ids == LABEL_ID['road']
    points = (rendered_drive.sensor.camera.rays() * frame.depth_m[..., None])[road]
    world = points @ frame.world_from_camera[:3, :3].T + frame.world_from_camera[:3, 3]
    assert np.abs(world[:, 2]).max() < 0.01


def test_one_object_is_one_class_of_things(rendered_drive: Drive) -> None:
    frame = rendered_drive.render(0)
    counted = frame.instance_ids >= 1000
    assert counted.any()
    assert np.array_equal(frame.instance_ids[counted] // 1000, frame.label_ids[counted])
    assert (frame.label_ids[counted] >= FIRST_INSTANCE_LABEL).all()
    assert np.array_equal(frame.instance_ids[~counted], frame.label_ids[~counted])


def test_only_known_labels_are_written(rendered_drive: Drive) -> None:
    known = {EGO_VEHICLE, *(each.label_id for each in CLASSES)}
    assert set(np.unique(rendered_drive.render(0).label_ids)) <= known


def test_speed_and_yaw_rate_agree_with_the_poses() -> None:
    for number in range(6):
        motion = draw_drive_motion(number)
        moved = np.linalg.norm(np.diff(motion.position[:, :2], axis=0), axis=1) * RATE_HZ
        speed = (motion.speed[1:] + motion.speed[:-1]) / 2
        assert np.allclose(moved, speed, atol=0.05)
        turned = np.diff(motion.heading) * RATE_HZ
        rate = (motion.yaw_rate[1:] + motion.yaw_rate[:-1]) / 2
        assert np.allclose(turned, rate, atol=0.01)


def draw_drive_motion(number: int):
    """The motion alone: no world is built."""

    rng = np.random.default_rng(number)
    return draw_motion(rng, draw_path(rng), 1.5, 0.0)


def test_poses_are_rigid_and_look_along_the_street(rendered_drive: Drive) -> None:
    pose = rendered_drive.motion.world_from_camera(1)
    turn = pose[:3, :3]
    assert np.allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.isclose(np.linalg.det(turn), 1.0)
    heading = rendered_drive.motion.heading[1]
    assert turn[:2, 2] @ [np.cos(heading), np.sin(heading)] > 0.9
    assert turn[2, 1] < -0.9  # y of the camera looks down


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(
    rendered_drive: Drive,
) -> None:
    (height, width), frames = rendered_drive.sensor.hood.shape, len(rendered_drive.motion.s)
    first = rendered_drive.render(1)
    again = draw_drive(*rendered_drive.seed, width, height, frames).render(1)
    assert first.image.tobytes() == again.image.tobytes()
    assert first.depth_m.tobytes() == again.depth_m.tobytes()
    assert first.instance_ids.tobytes() == again.instance_ids.tobytes()
    other = draw_drive(
        rendered_drive.seed[0] + 1, rendered_drive.seed[1], width, height, frames
    ).render(1)
    assert first.image.tobytes() != other.image.tobytes()
