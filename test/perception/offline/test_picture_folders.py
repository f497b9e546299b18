"""Pictures from files, and from folders with folders in them."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from sds_perception.image_codec import encode_jpeg, rgb_from_compressed
from sds_perception.offline.frames import OfflineError, Skipped
from sds_perception.offline.pictures import PictureFiles
from sds_perception.offline.samples import user_frames
from sds_perception.offline.sources import open_source


def grey(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((4, 6) if path.suffix == '.pgm' else (4, 6, 3), value, np.uint8)
    assert cv2.imwrite(str(path), picture)


def test_pictures_of_folders_in_a_folder_come_in_the_order_of_their_paths(tmp_path) -> None:
    for value, name in enumerate(('a/1.png', 'a/b/0.jpg', 'c/d/2.png', 'c/e.png', 'z.png')):
        grey(tmp_path / name, 10 * value)
    (tmp_path / 'c' / 'notes.txt').write_text('no picture')
    source = PictureFiles(tmp_path, None)
    frames = list(source.frames())
    assert source.count == 5
    assert [frame.rgb[0, 0, 0] for frame in frames] == [0, 10, 20, 30, 40]
    assert [frame.name for frame in frames] == ['1', '0', '2', 'e', 'z']


def test_numbers_in_names_count_as_numbers(tmp_path) -> None:
    names = ['run2/a.png', 'run10/1.png', 'run10/2.png', 'run10/010.png', 'run10/10.png', 'x.png']
    for name in names:
        grey(tmp_path / name, 0)
    assert [
        path.relative_to(tmp_path).as_posix() for path in PictureFiles(tmp_path, None)._files
    ] == names


@pytest.mark.parametrize('suffix', ['.ppm', '.pgm', '.PNG'])
def test_pictures_of_every_kind_keep_their_names_alone_and_in_a_folder(tmp_path, suffix) -> None:
    grey(tmp_path / f'street{suffix}', 7)
    for path in (tmp_path, tmp_path / f'street{suffix}'):
        source = open_source(path)
        assert [frame.name for frame in source.frames()] == ['street']


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


def turned_by_exif(jpeg: bytes) -> bytes:
    """The same JPEG with an EXIF block that says: shown turned by a quarter."""
    turn = b'\x01\x12\x00\x03' + b'\x00\x00\x00\x01' + b'\x00\x06\x00\x00'  # tag 0x112 is 6
    block = b'Exif\x00\x00' + b'MM\x00*\x00\x00\x00\x08' + b'\x00\x01' + turn + bytes(4)
    return jpeg[:2] + b'\xff\xe1' + (len(block) + 2).to_bytes(2, 'big') + block + jpeg[2:]


def test_a_picture_is_what_a_camera_message_of_its_bytes_is_whatever_its_exif(tmp_path) -> None:
    jpeg = encode_jpeg(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))
    data = turned_by_exif(jpeg.tobytes())
    (tmp_path / 'a.jpg').write_bytes(data)
    assert cv2.imread(str(tmp_path / 'a.jpg')).shape == (30, 20, 3)  # that OpenCV understands it
    (frame,) = PictureFiles(tmp_path, None).frames()
    np.testing.assert_array_equal(frame.rgb, rgb_from_compressed(data, 'jpeg'))
    assert frame.rgb.shape == (20, 30, 3)


@pytest.mark.parametrize('content', [b'', b'no picture'])
def test_a_file_that_holds_no_picture_is_skipped_by_name(tmp_path, content) -> None:
    (tmp_path / '0.png').write_bytes(content)
    (tmp_path / '1.png').mkdir()
    grey(tmp_path / '2.png', 7)
    items = list(PictureFiles(tmp_path, None).frames())
    assert [type(item) is Skipped for item in items] == [True, True, False]
    assert [item.name for item in items] == ['0.png', '1.png', '2']


def test_names_that_are_not_utf_8_are_read_and_can_be_written(tmp_path) -> None:
    grey(tmp_path / '0.png', 7)
    (tmp_path / '0.png').rename(tmp_path / os.fsdecode(b'0\xff.png'))
    (tmp_path / os.fsdecode(b'1\xff.png')).write_bytes(b'')
    frame, skipped = PictureFiles(tmp_path, None).frames()
    assert frame.rgb[0, 0, 0] == 7
    assert (frame.name, skipped.name) == ('0\ufffd', '1\ufffd.png')
    assert (frame.name + skipped.name + skipped.reason).encode()
