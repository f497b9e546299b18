"""Arrays to messages: what the numbers in them are."""

from __future__ import annotations

import numpy as np
from node_graph import image
from std_msgs.msg import Header

from sds_perception.pointcloud import CLOUD_LAYOUT
from sds_perception.ros.messages import CloudWriter, depth_picture, rgb_from_message

METRES = np.array([[0.0004, 0.0016, 1.2346, 65.53], [65.54, 80.0, np.nan, np.inf]], np.float32)


def test_millimetres_are_rounded_and_zero_where_depth_is_unknown_or_too_far() -> None:
    picture = depth_picture(METRES, '16UC1')
    assert picture.dtype == np.uint16
    assert picture.tolist() == [[0, 2, 1235, 65530], [0, 0, 0, 0]]


def test_metres_stay_as_they_are_unknown_ones_included() -> None:
    assert depth_picture(METRES, '32FC1') is METRES


def test_a_picture_that_comes_as_rgb_is_viewed_and_not_copied() -> None:
    message = image()
    message.encoding = 'rgb8'
    assert np.shares_memory(rgb_from_message(message), np.frombuffer(message.data, np.uint8))


def test_a_cloud_says_how_its_rows_lie_in_its_bytes() -> None:
    points = np.zeros((3, 5), CLOUD_LAYOUT.dtype)
    message = CloudWriter().fill(points, Header(frame_id='cam'))
    assert (message.height, message.width, message.header.frame_id) == (3, 5, 'cam')
    assert message.row_step == 5 * message.point_step
    assert len(message.data) == 3 * message.row_step
