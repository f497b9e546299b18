"""What a vehicle says of its camera's motion."""

from __future__ import annotations

import numpy as np
import pytest

from sds_training.data.odometry import (
    Mounting,
    VehicleState,
    camera_motion,
    mirrored,
    mirrored_road,
)


def motion(speed: float, yaw_rate: float, seconds: float, **mounting: float) -> np.ndarray:
    state = VehicleState(speed, yaw_rate)
    return camera_motion((state, state), seconds, Mounting(**mounting))


def test_driving_ahead_brings_points_nearer_along_the_optical_axis() -> None:
    np.testing.assert_allclose(motion(10, 0, 0.1)[:3, 3], (0, 0, -1), atol=1e-12)


def test_a_camera_that_looks_down_sees_itself_move_up_in_its_picture() -> None:
    shift = motion(10, 0, 0.1, pitch=0.1)[:3, 3]  # points of the road ahead come up from below
    np.testing.assert_allclose(shift, (0, np.sin(0.1), -np.cos(0.1)), atol=1e-12)


def test_a_camera_is_turned_by_its_yaw_then_its_pitch_and_last_its_roll() -> None:
    aside = Mounting(yaw=np.pi / 2, pitch=0.1).vehicle_from_camera[:3, 2]
    np.testing.assert_allclose(aside, (0, np.cos(0.1), -np.sin(0.1)), atol=1e-12)
    rolled = Mounting(pitch=0.1, roll=0.2).vehicle_from_camera[:3, 2]
    np.testing.assert_allclose(rolled, (np.cos(0.1), 0, -np.sin(0.1)), atol=1e-12)


def test_turning_left_moves_what_is_ahead_to_the_right() -> None:
    ahead = np.array((0, 0, 50, 1.0))
    assert (motion(10, 0.2, 0.1) @ ahead)[0] > 0.5


def test_looking_back_in_time_undoes_looking_ahead() -> None:
    mounting = {'x_m': 1.7, 'y_m': 0.1, 'yaw': -0.02, 'pitch': 0.04, 'roll': 0.01}
    there, back = motion(8, 0.3, 0.2, **mounting), motion(8, 0.3, -0.2, **mounting)
    np.testing.assert_allclose(there @ back, np.eye(4), atol=1e-12)


def test_two_short_arcs_are_one_long_arc() -> None:
    half, whole = motion(8, 0.3, 0.1, x_m=1.7), motion(8, 0.3, 0.2, x_m=1.7)
    np.testing.assert_allclose(half @ half, whole, atol=1e-12)


def test_a_mirrored_left_turn_is_a_right_turn() -> None:
    np.testing.assert_allclose(mirrored(motion(8, 0.3, 0.1)), motion(8, -0.3, 0.1), atol=1e-12)


@pytest.mark.parametrize('yaw_rate', [0.0, 0.4])
def test_a_camera_ahead_of_the_axle_swings_out_in_turns(yaw_rate: float) -> None:
    sideways = motion(8, yaw_rate, 0.1, x_m=1.7)[0, 3] - motion(8, yaw_rate, 0.1)[0, 3]
    assert (abs(sideways) > 0.01) == (yaw_rate != 0)


def test_a_level_camera_has_the_road_straight_below() -> None:
    np.testing.assert_allclose(Mounting(z_m=1.4).road, (0, 1, 0, 1.4), atol=1e-12)


def test_a_camera_that_looks_down_has_the_road_ahead_of_it_too() -> None:
    down = Mounting(pitch=0.1, z_m=1.4).road
    np.testing.assert_allclose(down[:3], (0, np.cos(0.1), np.sin(0.1)), atol=1e-12)


def test_a_camera_that_rolls_to_the_right_has_the_road_more_to_its_right() -> None:
    down = Mounting(roll=0.1, z_m=1.4).road
    np.testing.assert_allclose(down[:3], (np.sin(0.1), np.cos(0.1), 0), atol=1e-12)


def test_a_mirrored_camera_rolls_the_other_way() -> None:
    road, other = Mounting(roll=0.1).road, Mounting(roll=-0.1).road
    np.testing.assert_allclose(mirrored_road(road)[:3], other[:3], atol=1e-12)
    assert np.isnan(road[3])  # nobody told the height
