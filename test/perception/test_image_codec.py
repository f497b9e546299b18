"""What a camera driver may send, and what must come out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sds_perception.image_codec import (
    BrokenImage,
    UnsupportedImage,
    encode_jpeg,
    encode_png,
    image_bytes,
    non_zero_in_file,
    rgb_from_compressed,
    rgb_from_file,
    rgb_from_image,
)

H, W = 5, 7
COLOUR = np.array([200, 120, 40], np.uint8)
YUV = (132, 81, 169)  # the same by ITU-R BT.601, whose grey goes from 16 to 235


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8)


def padded(pixels: np.ndarray, padding: int) -> tuple[bytes, int]:
    """Rows with `padding` rubbish bytes behind each, and the step that says so."""
    rows = pixels.reshape(H, -1).view(np.uint8)
    rubbish = np.full((H, padding), 0xAB, np.uint8)
    return np.hstack((rows, rubbish)).tobytes(), rows.shape[1] + padding


def channels_as(encoding: str, rgb: np.ndarray) -> np.ndarray:
    order = {'rgb': (0, 1, 2), 'bgr': (2, 1, 0), 'rgba': (0, 1, 2), 'bgra': (2, 1, 0)}
    pixels = rgb[..., order[encoding[:-1]]]
    if encoding[:-1].endswith('a'):
        pixels = np.concatenate((pixels, np.full((H, W, 1), 9, np.uint8)), axis=-1)
    return np.ascontiguousarray(pixels)


@pytest.mark.parametrize('padding', [0, 1, 13])
@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8', 'rgba8', 'bgra8'])
def test_colour_is_read_exactly_whatever_order_and_padding(encoding, padding, rgb) -> None:
    data, step = padded(channels_as(encoding, rgb), padding)
    read = rgb_from_image(data, height=H, width=W, step=step, encoding=encoding)
    np.testing.assert_array_equal(read, rgb)


@pytest.mark.parametrize('encoding', ['mono8', '8UC1'])
def test_grey_becomes_three_equal_channels(encoding, rgb) -> None:
    grey = np.ascontiguousarray(rgb[..., 0])
    data, step = padded(grey, 3)
    read = rgb_from_image(data, height=H, width=W, step=step, encoding=encoding)
    np.testing.assert_array_equal(read, np.repeat(grey[..., None], 3, axis=-1))


@pytest.mark.parametrize('encoding', ['mono16', '16UC1'])
@pytest.mark.parametrize('big', [False, True])
def test_sixteen_bits_scale_to_eight_in_either_endianness(encoding, big) -> None:
    values = np.random.default_rng(1).integers(0, 65536, (H, W)).astype('>u2' if big else '<u2')
    data, step = padded(values, 2)
    read = rgb_from_image(data, height=H, width=W, step=step, encoding=encoding, is_bigendian=big)
    np.testing.assert_array_equal(read[..., 1], values.astype(np.uint16) >> 8)


@pytest.mark.parametrize('order', ['rgb', 'bgr'])
@pytest.mark.parametrize('big', [False, True])
def test_sixteen_bit_colour_keeps_its_high_bytes_in_either_endianness(order, big, rgb) -> None:
    values = (channels_as(f'{order}8', rgb).astype(np.uint16) << 8) | 0x7F
    data, step = padded(values.astype('>u2' if big else '<u2'), 4)
    read = rgb_from_image(
        data, height=H, width=W, step=step, encoding=f'{order}16', is_bigendian=big
    )
    np.testing.assert_array_equal(read, rgb)


def test_three_nameless_channels_are_in_the_order_of_opencv(rgb) -> None:
    data, step = padded(channels_as('bgr8', rgb), 0)
    read = rgb_from_image(data, height=H, width=W, step=step, encoding='8UC3')
    np.testing.assert_array_equal(read, rgb)


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
@pytest.mark.parametrize('bits', [8, 16])
def test_a_mosaic_is_named_by_the_first_two_pixels_of_its_first_two_rows(pattern, bits) -> None:
    mosaic = np.empty((H, W), np.uint8)
    for place, channel in enumerate(pattern):
        mosaic[place // 2 :: 2, place % 2 :: 2] = COLOUR['rgb'.index(channel)]
    pixels = mosaic if bits == 8 else mosaic.astype('<u2') << 8
    data, step = padded(pixels, 6)
    read = rgb_from_image(data, height=H, width=W, step=step, encoding=f'bayer_{pattern}{bits}')
    np.testing.assert_array_equal(read, np.broadcast_to(COLOUR, (H, W, 3)))


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
@pytest.mark.parametrize('bits', [8, 16])
def test_a_mosaic_that_was_compressed_has_the_colours_of_the_raw_one(pattern, bits) -> None:
    mosaic = np.random.default_rng(0).integers(0, 256, (H, W)).astype(np.uint8)
    pixels = mosaic if bits == 8 else mosaic.astype('<u2') << 8
    encoding, data = f'bayer_{pattern}{bits}', padded(pixels, 0)[0]
    raw = rgb_from_image(data, height=H, width=W, step=W * bits // 8, encoding=encoding)
    read = rgb_from_compressed(encode_png(pixels), f'{encoding}; png compressed ')
    np.testing.assert_array_equal(read, raw)


def test_a_mosaic_that_was_made_grey_before_it_was_compressed_stays_grey() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (H, W)).astype(np.uint8)
    read = rgb_from_compressed(encode_png(grey), 'bayer_rggb8; jpeg compressed mono8')
    np.testing.assert_array_equal(read, np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize(
    ('encoding', 'order'),
    [('yuv422', 'uyvy'), ('uyvy', 'uyvy'), ('yuv422_yuy2', 'yuyv'), ('yuyv', 'yuyv')],
)
def test_two_pixels_that_share_a_colour_both_have_it(encoding, order) -> None:
    pair = [YUV['yuv'.index(each)] for each in order]
    data, step = padded(np.array([pair * 4] * H, np.uint8), 5)
    read = rgb_from_image(data, height=H, width=8, step=step, encoding=encoding)
    assert read.shape == (H, 8, 3) and np.abs(read.astype(int) - COLOUR).max() <= 2


@pytest.mark.parametrize(('encoding', 'order'), [('nv12', 'uv'), ('nv21', 'vu')])
@pytest.mark.parametrize('padding', [0, 4])
def test_a_picture_whose_colours_follow_its_grey_plane_has_them(encoding, order, padding) -> None:
    rows = np.full((6, 8 + padding), YUV[0], np.uint8)  # four of grey, two of colour
    rows[4:, 0:8:2], rows[4:, 1:8:2] = (YUV['yuv'.index(each)] for each in order)
    read = rgb_from_image(rows.tobytes(), height=4, width=8, step=8 + padding, encoding=encoding)
    assert read.shape == (4, 8, 3) and np.abs(read.astype(int) - COLOUR).max() <= 2


@pytest.mark.parametrize(
    ('encoding', 'size', 'sentence'),
    [
        ('yuv422', (4, 7), 'yuv422 has an even width, got 7x4'),
        ('nv12', (5, 8), 'nv12 has even sizes, got 8x5'),
    ],
)
def test_colours_shared_by_pixels_that_are_not_there_are_refused(encoding, size, sentence) -> None:
    height, width = size
    with pytest.raises(BrokenImage, match=sentence):
        rgb_from_image(bytes(99), height=height, width=width, step=width, encoding=encoding)


def test_a_picture_without_its_colour_plane_is_refused_with_both_lengths() -> None:
    with pytest.raises(BrokenImage, match='data of 32 bytes is shorter .* 8 x 6 = 48'):
        rgb_from_image(bytes(32), height=4, width=8, step=8, encoding='nv12')


def test_rgb8_is_a_view_of_the_message(rgb) -> None:
    data = np.frombuffer(rgb.tobytes(), np.uint8)
    read = rgb_from_image(data, height=H, width=W, step=3 * W, encoding='rgb8')
    assert np.shares_memory(read, data)


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        ({'data': bytes(H * W * 3 - 1)}, 'shorter than step x height'),
        ({'data': bytes(H * W * 3 + 1)}, 'longer than step x height'),
        ({'data': b''}, 'shorter'),
        ({'step': W * 3 - 1, 'data': bytes(H * (W * 3 - 1))}, 'smaller than a row'),
        ({'height': 0}, 'positive'),
        ({'width': 0}, 'positive'),
        ({'step': 0, 'data': b''}, 'positive'),
    ],
)
def test_fields_that_contradict_each_other_are_refused(change, sentence) -> None:
    fields = {'data': bytes(H * W * 3), 'height': H, 'width': W, 'step': W * 3}
    with pytest.raises(BrokenImage, match=sentence):
        rgb_from_image(**{**fields, **change}, encoding='rgb8')


def test_an_unknown_encoding_is_refused_by_name_however_many_bytes_it_has() -> None:
    for length in (H * W, 3 * H * W):
        with pytest.raises(UnsupportedImage, match="'nv24' is not supported; wanted rgb8"):
            rgb_from_image(bytes(length), height=H, width=W, step=W, encoding='nv24')


def test_an_unknown_encoding_goes_to_the_fallback(rgb) -> None:
    fields = {'height': H, 'width': W, 'step': W, 'encoding': 'nv24'}
    assert rgb_from_image(bytes(H * W), **fields, fallback=lambda: rgb) is rgb


def test_a_known_encoding_never_asks_the_fallback(rgb) -> None:
    def never() -> np.ndarray:
        raise AssertionError

    rgb_from_image(rgb.tobytes(), height=H, width=W, step=3 * W, encoding='bgr8', fallback=never)


def test_a_fallback_that_is_not_installed_is_none_at_all() -> None:
    def missing() -> np.ndarray:
        raise ImportError("No module named 'cv_bridge'")

    with pytest.raises(UnsupportedImage, match='nv24.*cv_bridge'):
        rgb_from_image(
            bytes(H * W * 3), height=H, width=W, step=W, encoding='nv24', fallback=missing
        )


def test_a_fallback_of_the_wrong_size_is_refused(rgb) -> None:
    with pytest.raises(BrokenImage, match='converted to'):
        rgb_from_image(
            bytes(H * W), height=H, width=W, step=W, encoding='x', fallback=lambda: rgb[:-1]
        )


@pytest.mark.parametrize('format', ['png', 'rgb8; png compressed bgr8', 'PNG'])
def test_png_survives_exactly(format, rgb) -> None:
    np.testing.assert_array_equal(rgb_from_compressed(encode_png(rgb), format), rgb)


@pytest.mark.parametrize('format', ['jpeg', 'jpg', 'rgb8; jpeg compressed bgr8'])
def test_jpeg_keeps_red_red(format) -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 200
    read = rgb_from_compressed(encode_jpeg(red).tobytes(), format)
    assert np.abs(read.astype(int) - red).max() <= 4


def test_channels_compressed_in_rgb_order_are_not_swapped_back(rgb) -> None:
    encoded = cv2.imencode('.png', rgb)[1]  # as image_transport does for 'compressed rgb8'
    np.testing.assert_array_equal(
        rgb_from_compressed(encoded.reshape(-1), 'bgr8; png compressed rgb8'), rgb
    )


def test_sixteen_bit_grey_png_becomes_eight_bit_rgb() -> None:
    grey = np.random.default_rng(2).integers(0, 65536, (H, W)).astype(np.uint16)
    read = rgb_from_compressed(encode_png(grey), 'mono16; png compressed ')
    assert read.dtype == np.uint8
    assert np.abs(read[..., 2].astype(int) - (grey >> 8)).max() <= 1


@pytest.mark.parametrize('format', ['jpeg', 'png'])
@pytest.mark.parametrize('kept', [0.0, 0.3, 0.9, 0.995])
def test_cut_pictures_are_refused_not_half_decoded(format, kept) -> None:
    picture = np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    encoded = encode_jpeg(picture) if format == 'jpeg' else encode_png(picture)
    with pytest.raises(BrokenImage, match=f'{format}.*cut or damaged'):
        rgb_from_compressed(encoded[: int(kept * encoded.size)], format)


@pytest.mark.parametrize('read', [rgb_from_file, non_zero_in_file])
@pytest.mark.parametrize('kept', [0.3, 0.995])
def test_a_cut_jpeg_file_is_refused_whatever_opencv_makes_of_it(kept, read, monkeypatch) -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    monkeypatch.setattr(cv2, 'imdecode', lambda encoded, how: grey.copy())
    whole = with_a_thumbnail()
    assert read(whole).any()
    with pytest.raises(BrokenImage, match='a file of .*cut or damaged'):
        read(whole[: int(kept * len(whole))])


def test_what_follows_the_end_of_a_jpeg_does_not_make_it_a_cut_one() -> None:
    assert rgb_from_compressed(with_a_thumbnail() + bytes(100_000), 'jpeg').shape == (64, 64, 3)


def with_a_thumbnail() -> bytes:
    """A JPEG with another one, end marker and all, in its first segment, behind a fill byte."""
    picture = np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    small, large = (encode_jpeg(each).tobytes() for each in (picture[:8, :8], picture))
    segment = b'\xff\xff\xe1' + (2 + len(small)).to_bytes(2) + small
    return large[:2] + segment + large[2:]


def test_a_jpeg_that_claims_more_pixels_than_opencv_takes_is_broken() -> None:
    encoded = encode_jpeg(np.zeros((H, W, 3), np.uint8)).tobytes()
    size_at = encoded.index(b'\xff\xc0') + 5  # behind marker, length and precision
    claims = encoded[:size_at] + b'\xff\xdc' * 2 + encoded[size_at + 4 :]  # 65500 x 65500
    with pytest.raises(BrokenImage, match='jpeg.*cannot be decoded'):
        rgb_from_compressed(claims, 'jpeg')


def test_rubbish_is_not_a_picture() -> None:
    for data in (bytes(range(200)), b''):
        with pytest.raises(BrokenImage):
            rgb_from_compressed(data, 'jpeg')
        with pytest.raises(BrokenImage, match=f'a file of {len(data)} bytes'):
            rgb_from_file(data)


@pytest.mark.parametrize('suffix', ['.png', '.bmp', '.tiff'])
def test_a_file_of_any_kind_opencv_reads_is_a_picture(suffix, rgb) -> None:
    encoded = cv2.imencode(suffix, rgb[..., ::-1])[1]
    np.testing.assert_array_equal(rgb_from_file(encoded.tobytes()), rgb)


@pytest.mark.parametrize('format', ['h264', '', '32FC1; compressedDepth png'])
def test_other_compressions_are_refused_by_name(format) -> None:
    with pytest.raises(UnsupportedImage, match=f"'{format}'"):
        rgb_from_compressed(b'123', format)


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.float32])
def test_image_bytes_is_a_view_that_reads_back(dtype) -> None:
    array = np.arange(H * W).reshape(H, W).astype(dtype)
    flat = image_bytes(array)
    assert flat.ndim == 1
    assert np.shares_memory(flat, array)
    np.testing.assert_array_equal(np.frombuffer(flat.tobytes(), dtype).reshape(H, W), array)


def test_image_bytes_of_a_strided_picture_has_its_rows_closed_up(rgb) -> None:
    assert image_bytes(rgb[:, ::2]).tobytes() == rgb[:, ::2].tobytes()
