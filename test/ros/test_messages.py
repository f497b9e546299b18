"""Arrays to messages: what the numbers in them are."""

from __future__ import annotations

import numpy as np

from sds_perception.ros.messages import depth_picture

METRES = np.array([[0.0004, 0.0016, 1.2346, 65.53], [65.54, 80.0, np.nan, np.inf]], np.float32)


def test_millimetres_are_rounded_and_zero_where_depth_is_unknown_or_too_far() -> None:
    picture = depth_picture(METRES, '16UC1')
    assert picture.dtype == np.uint16
    assert picture.tolist() == [[0, 2, 1235, 65530], [0, 0, 0, 0]]


def test_metres_stay_as_they_are_unknown_ones_included() -> None:
    assert depth_picture(METRES, '32FC1') is METRES
