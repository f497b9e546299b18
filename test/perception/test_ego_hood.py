"""The vehicle's own hood, from any picture file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from sds_perception.ego_hood import HoodMask
from sds_perception.image_codec import encode_png
from sds_perception.scene import Scene


def test_a_mask_whose_name_is_not_utf_8_is_read(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b'hood\xff.png')
    path.write_bytes(encode_png(np.array([[0, 1], [0, 0]], np.uint8)).tobytes())
    scene = Scene(*(np.full((2, 2), 7, kind) for kind in ('u1', 'f4', 'u1')), 'relative')
    HoodMask(path).blank(scene)
    assert scene.labels.tolist() == [[7, 255], [7, 7]]


def test_nothing_is_known_where_the_vehicle_sees_itself(tmp_path: Path) -> None:
    (tmp_path / 'hood.png').write_bytes(encode_png(np.array([[0, 1]], np.uint8)).tobytes())
    scene = Scene(*(np.full((1, 2), 7, kind) for kind in ('u1', 'f4', 'u1')), 'relative')
    HoodMask(tmp_path / 'hood.png').blank(scene)
    assert scene.labels.tolist() == [[7, 255]]
    assert scene.confidence.tolist() == [[7, 0]]
    np.testing.assert_array_equal(scene.depth, [[7, np.nan]])


@pytest.mark.parametrize(
    ('content', 'sentence'),
    [
        (b'', 'hood.png is not a picture: .* 0 bytes'),
        (b'no picture', 'hood.png is not a picture: .* 10 bytes'),
        (None, 'hood.png cannot be read: No such file'),
    ],
)
def test_what_is_no_picture_is_refused_by_name(
    tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    path = tmp_path / 'hood.png'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OSError, match=sentence):
        HoodMask(path)
