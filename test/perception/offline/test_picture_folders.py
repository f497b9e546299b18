"""Folders of pictures, with folders in them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sds_perception.engines.reference_frames import user_frames
from sds_perception.offline.frames import OfflineError
from sds_perception.offline.pictures import PictureFiles


def grey(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((4, 6, 3), value, np.uint8))


def test_pictures_of_folders_in_a_folder_come_in_the_order_of_their_paths(tmp_path) -> None:
    for value, name in enumerate(('a/1.png', 'a/b/0.jpg', 'c/d/2.png', 'c/e.png', 'z.png')):
        grey(tmp_path / name, 10 * value)
    (tmp_path / 'c' / 'notes.txt').write_text('no picture')
    source = PictureFiles(tmp_path, None)
    frames = list(source.frames())
    assert source.count == 5
    assert [frame.rgb[0, 0, 0] for frame in frames] == [0, 10, 20, 30, 40]
    assert [frame.name for frame in frames] == ['1', '0', '2', 'e', 'z']


@pytest.mark.parametrize(
    ('files', 'names'),
    [
        (('left/0.png', 'right/0.png'), ['left_0.png', 'right_0.png']),
        (('0.jpg', '0.png'), ['0.jpg', '0.png']),
        (('a/b_0.png', 'a_b/0.png', 'c/0.png'), ['000000_a_b_0.png', '000001_a_b_0.png',
                                                 '000002_c_0.png']),
    ],
)  # fmt: skip
def test_names_stay_different_where_pictures_are_called_alike(tmp_path, files, names) -> None:
    for name in files:
        grey(tmp_path / name, 0)
    assert [frame.name for frame in PictureFiles(tmp_path, None).frames()] == names


def test_frames_for_calibration_come_from_all_folders(tmp_path) -> None:
    for city in range(4):
        grey(tmp_path / f'city{city}' / '0.png', 50 * city)
    assert user_frames(tmp_path, (4, 6), 2)[:, 0, 0, 0].tolist() == [0, 100]


def test_a_folder_without_any_picture_is_refused(tmp_path) -> None:
    (tmp_path / 'a' / 'b').mkdir(parents=True)
    with pytest.raises(OfflineError, match='holds no picture'):
        PictureFiles(tmp_path, None)
