"""The vehicle's own hood, from any picture file."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from sds_perception.ego_hood import HoodMask, MaskError
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


def test_a_mask_of_16_bits_hides_what_one_of_8_bits_hides(tmp_path: Path) -> None:
    mask = np.array([[0, 1], [255, 0]])
    for bits in (8, 16):
        path = tmp_path / f'{bits}.png'
        path.write_bytes(encode_png(mask.astype(f'u{bits // 8}')).tobytes())
        scene = Scene(*(np.full((2, 2), 7, kind) for kind in ('u1', 'f4', 'u1')), 'relative')
        HoodMask(path).blank(scene)
        assert scene.labels.tolist() == [[7, 255], [255, 7]]


def test_a_mask_drawn_in_alpha_only_hides_nothing_and_is_refused(tmp_path: Path) -> None:
    mask = np.zeros((1, 2, 4), np.uint8)
    mask[0, 1, 3] = 255
    cv2.imwrite(str(tmp_path / 'hood.png'), mask)
    with pytest.raises(OSError, match='hood.png hides nothing: all its pixels are 0'):
        HoodMask(tmp_path / 'hood.png')


@pytest.mark.parametrize(
    ('content', 'sentence'),
    [
        (encode_png(np.zeros((2, 2), np.uint8)).tobytes(), 'hood.png hides nothing'),
        (encode_png(np.ones((2, 2), np.uint8)).tobytes(), 'hides everything: none of its'),
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


@pytest.mark.parametrize('size', [(192, 320), (96, 160), (1080, 1800), (1081, 1800), (64, 107)])
def test_a_mask_of_another_size_and_the_same_shape_within_a_pixel_fits(tmp_path, size) -> None:
    HoodMask(drawn(tmp_path, (192, 320))).require_fits(size)


@pytest.mark.parametrize('size', [(720, 1280), (320, 192), (192, 322)])
def test_a_mask_of_another_shape_is_refused_rather_than_stretched(tmp_path, size) -> None:
    with pytest.raises(MaskError, match=f'hood.png is 320x192, the picture {size[1]}x{size[0]}'):
        HoodMask(drawn(tmp_path, (192, 320))).require_fits(size)


def drawn(folder: Path, size: tuple[int, int]) -> Path:
    """A mask of the lower half, as a file."""
    mask = np.zeros(size, np.uint8)
    mask[size[0] // 2 :] = 1
    (folder / 'hood.png').write_bytes(encode_png(mask).tobytes())
    return folder / 'hood.png'
