"""Arrays to messages: what the numbers in them are."""

from __future__ import annotations

import numpy as np
import pytest
from node_graph import image
from std_msgs.msg import Header

from sds_perception.pointcloud import CLOUD_LAYOUT
from sds_perception.ros.messages import (
    CloudWriter,
    ImageWriter,
    depth_picture,
    rgb_from_message,
    stamp_s,
)

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
    assert not message.is_dense  # it has points that are NaN
    assert not message.is_bigendian
    assert message.row_step == 5 * message.point_step
    assert len(message.data) == 3 * message.row_step


@pytest.mark.parametrize(('shape', 'kind', 'step'), [
    ((3, 5), np.uint8, 5), ((3, 5), np.uint16, 10), ((3, 5), np.float32, 20),
    ((3, 5, 3), np.uint8, 15),
])  # fmt: skip
def test_a_picture_says_how_its_rows_lie_in_its_bytes(shape, kind, step) -> None:
    message = ImageWriter().fill(np.zeros(shape, kind), 'any', Header())
    assert (message.height, message.width, message.step) == (3, 5, step)
    assert not message.is_bigendian
    assert len(message.data) == 3 * step


def test_a_writer_takes_pictures_of_one_size_after_another() -> None:
    writer = ImageWriter()
    for height, value in ((3, 1), (4, 2), (2, 3)):
        message = writer.fill(np.full((height, 5), value, np.uint8), 'mono8', Header())
        assert bytes(message.data) == bytes([value]) * 5 * height


def test_a_stamp_is_known_to_the_nanosecond() -> None:
    assert stamp_s(image(stamp=(3, 250_000_000)).header) == 3.25
