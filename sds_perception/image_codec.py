"""ROS image encodings and compressed bytes to arrays and back; knows fields, no message types.

What can be a view of the message's bytes is one, and what cannot costs a single OpenCV pass (0.1
to 0.3 ms at 720p, a mosaic or YUV 0.3 to 0.5). Encodings this table does not know are offered to
the caller's `fallback`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = bytes | bytearray | memoryview | NDArray[np.uint8]  # or array.array: any byte buffer


class UnsupportedImage(ValueError):
    """An encoding or compression we cannot read; the sentence names it."""


class BrokenImage(ValueError):
    """Bytes that do not add up to the picture they claim to be; the sentence says how."""


class _Pixels(NamedTuple):
    channels: int
    bytes_per_channel: int
    to_rgb: int | None  # OpenCV conversion; None = already RGB
    block: tuple[int, int] = (1, 1)  # rows and columns that share one colour

    def rows(self, height: int) -> int:
        """Rows of bytes: where two rows share their colours, those follow the grey ones."""
        return height + (height // 2 if self.block[0] == 2 else 0)


_KNOWN: dict[str, _Pixels] = {
    'rgb8': _Pixels(3, 1, None),
    'rgb16': _Pixels(3, 2, None),
    'bgr8': _Pixels(3, 1, cv2.COLOR_BGR2RGB),
    'bgr16': _Pixels(3, 2, cv2.COLOR_BGR2RGB),
    '8UC3': _Pixels(3, 1, cv2.COLOR_BGR2RGB),  # OpenCV's own name, so in OpenCV's order
    'rgba8': _Pixels(4, 1, cv2.COLOR_RGBA2RGB),
    'bgra8': _Pixels(4, 1, cv2.COLOR_BGRA2RGB),
    'mono8': _Pixels(1, 1, cv2.COLOR_GRAY2RGB),
    '8UC1': _Pixels(1, 1, cv2.COLOR_GRAY2RGB),
    'mono16': _Pixels(1, 2, cv2.COLOR_GRAY2RGB),
    '16UC1': _Pixels(1, 2, cv2.COLOR_GRAY2RGB),
    'yuv422': _Pixels(2, 1, cv2.COLOR_YUV2RGB_UYVY, (1, 2)),
    'uyvy': _Pixels(2, 1, cv2.COLOR_YUV2RGB_UYVY, (1, 2)),
    'yuv422_yuy2': _Pixels(2, 1, cv2.COLOR_YUV2RGB_YUY2, (1, 2)),
    'yuyv': _Pixels(2, 1, cv2.COLOR_YUV2RGB_YUY2, (1, 2)),
    'nv12': _Pixels(1, 1, cv2.COLOR_YUV2RGB_NV12, (2, 2)),
    'nv21': _Pixels(1, 1, cv2.COLOR_YUV2RGB_NV21, (2, 2)),
}
# ROS names the first two pixels of the first two rows, OpenCV those one further down and right.
_MOSAICS = {
    'bayer_rggb': cv2.COLOR_BayerBG2RGB,
    'bayer_bggr': cv2.COLOR_BayerRG2RGB,
    'bayer_gbrg': cv2.COLOR_BayerGR2RGB,
    'bayer_grbg': cv2.COLOR_BayerGB2RGB,
}
_KNOWN |= {f'{name}8': _Pixels(1, 1, code) for name, code in _MOSAICS.items()}
_KNOWN |= {f'{name}16': _Pixels(1, 2, code) for name, code in _MOSAICS.items()}
ENCODINGS: tuple[str, ...] = tuple(_KNOWN)

_DECODE = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION  # calibration is for sensor pixels
_AS_IT_IS = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
_JPEG_START, _JPEG_SCAN, _JPEG_END = b'\xff\xd8', b'\xff\xda', b'\xff\xd9'


def rgb_of(
    message: Any, fallback: Callable[[], NDArray[np.uint8]] | None = None
) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of anything with the fields of an Image or a CompressedImage.

    Raises:
        UnsupportedImage, BrokenImage: as the two functions below.
    """
    if hasattr(message, 'format'):
        return rgb_from_compressed(message.data, message.format)
    return rgb_from_image(
        message.data,
        height=message.height,
        width=message.width,
        step=message.step,
        encoding=message.encoding,
        is_bigendian=bool(message.is_bigendian),
        fallback=fallback,
    )


def rgb_from_image(
    data: Bytes,
    *,
    height: int,
    width: int,
    step: int,
    encoding: str,
    is_bigendian: bool = False,
    fallback: Callable[[], NDArray[np.uint8]] | None = None,
) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB from the fields of sensor_msgs/Image; for rgb8 a view of `data`.

    `step` is bytes per row with padding. Of 16 bits the high byte is kept. `fallback` converts the
    same message for encodings not in `ENCODINGS`; an ImportError from it counts as having none.

    Raises:
        UnsupportedImage: an encoding neither we nor `fallback` can read.
        BrokenImage: sizes, step and length that contradict each other.
    """
    pixels = _KNOWN.get(encoding)
    if pixels is None:  # first: how many bytes there should be depends on it
        return _from_fallback(fallback, encoding, (height, width, 3))
    image = _rows(data, height, width, step, encoding).reshape(pixels.rows(height), width, -1)
    if pixels.bytes_per_channel == 2:
        image = np.ascontiguousarray(image[..., 0 if is_bigendian else 1 :: 2])
    return image if pixels.to_rgb is None else cv2.cvtColor(image, pixels.to_rgb)


def rgb_from_compressed(data: Bytes, format: str) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB from the fields of sensor_msgs/CompressedImage (JPEG or PNG).

    `format` is 'jpeg', 'png' or image_transport's 'rgb8; jpeg compressed bgr8'. Only where that
    says the channels were compressed in RGB order ('compressed rgb8') are they left as decoded. A
    mosaic that was compressed as it is ('bayer_rggb8; png compressed ', and no encoding behind
    that) has one channel, and its colours are made here.

    Raises:
        UnsupportedImage: another compression, depth (`compressedDepth`) included.
        BrokenImage: empty, cut or damaged bytes.
    """
    name = format.lower()
    if 'compresseddepth' in name or not any(k in name for k in ('jpeg', 'jpg', 'png')):
        raise UnsupportedImage(
            f"compressed format '{format}' is not supported; wanted jpeg or png"
        )
    encoded = np.frombuffer(data, np.uint8)
    what = f"'{format}' data of {encoded.size} bytes"
    source, _, compressed = (each.strip() for each in name.partition(';'))
    mosaic = source.startswith('bayer_') and source in _KNOWN
    if mosaic and compressed.endswith('compressed'):  # 'compressed mono8' is no mosaic any more
        return _demosaiced(_decoded(encoded, what, _AS_IT_IS), source, what)
    image = _decoded(encoded, what)
    if 'compressed rgb' in name:
        return image
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)


def rgb_from_file(data: Bytes) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB from the bytes of a picture file, of any kind that OpenCV reads.

    Raises:
        BrokenImage: empty or damaged bytes, or those of no picture.
    """
    encoded = np.frombuffer(data, np.uint8)
    image = _decoded(encoded, f'a file of {encoded.size} bytes')
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)


def non_zero_in_file(data: Bytes) -> NDArray[np.uint8]:
    """(H, W) 1 where a picture file has any colour that is not 0, 0 elsewhere; of any depth.

    Raises:
        BrokenImage: as `rgb_from_file`.
    """
    encoded = np.frombuffer(data, np.uint8)
    image = _decoded(encoded, f'a file of {encoded.size} bytes', _AS_IT_IS)
    colours = image.reshape(*image.shape[:2], -1)[..., :3]  # alpha is no colour
    return (colours != 0).any(axis=2).astype(np.uint8)


def encode_png(image: NDArray) -> NDArray[np.uint8]:
    """PNG bytes, 1-D uint8, of (H, W) uint8 or uint16 or (H, W, 3) uint8 RGB; lossless."""
    return _encode('.png', image, [cv2.IMWRITE_PNG_COMPRESSION, 1])


def encode_jpeg(image: NDArray[np.uint8], quality: int = 90) -> NDArray[np.uint8]:
    """JPEG bytes, 1-D uint8, of (H, W) or (H, W, 3) RGB uint8; for people, never for a mask."""
    return _encode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])


def image_bytes(array: NDArray) -> NDArray[np.uint8]:
    """The array's bytes as a 1-D uint8 view, a copy only where it is not contiguous.

    `message.data.frombytes(image_bytes(depth).data)` is the fast fill on every ROS 2 release.
    """
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _rows(data: Bytes, height: int, width: int, step: int, encoding: str) -> NDArray[np.uint8]:
    """All rows of bytes without their padding."""
    pixels = _KNOWN[encoding]
    if height < 1 or width < 1 or step < 1:
        raise BrokenImage(f'sizes must be positive, got {width}x{height} with step {step}')
    if height % pixels.block[0] or width % pixels.block[1]:
        wanted = 'even sizes' if pixels.block[0] == 2 else 'an even width'
        raise BrokenImage(f'{encoding} has {wanted}, got {width}x{height}')
    flat, count = np.frombuffer(data, np.uint8), pixels.rows(height)
    if flat.size != step * count:
        word = 'shorter' if flat.size < step * count else 'longer'
        rows = 'height' if count == height else 'height and half of it'
        raise BrokenImage(
            f'data of {flat.size} bytes is {word} than step x {rows} = {step} x {count} = '
            f'{step * count}'
        )
    row_bytes = width * pixels.channels * pixels.bytes_per_channel
    if step < row_bytes:
        raise BrokenImage(
            f'step {step} is smaller than a row of {width} {encoding} pixels ({row_bytes} bytes)'
        )
    return flat.reshape(count, step)[:, :row_bytes]


def _from_fallback(
    fallback: Callable[[], NDArray[np.uint8]] | None, encoding: str, shape: tuple[int, int, int]
) -> NDArray[np.uint8]:
    wanted = f"encoding '{encoding}' is not supported; wanted {', '.join(ENCODINGS)}"
    if fallback is None:
        raise UnsupportedImage(wanted)
    try:
        image = fallback()
    except ImportError as error:
        raise UnsupportedImage(f'{wanted} (no other converter: {error})') from error
    if image.dtype != np.uint8 or image.shape != shape:
        raise BrokenImage(
            f"'{encoding}' was converted to {image.dtype} {image.shape}, wanted uint8 {shape}"
        )
    return image


def _demosaiced(mosaic: NDArray, encoding: str, what: str) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB from (H, W) uint8 or uint16; of 16 bits the high byte is kept."""
    if mosaic.ndim != 2:
        raise BrokenImage(f'{what} has {mosaic.shape[2]} channels, wanted the one of a mosaic')
    if mosaic.dtype == np.uint16:
        mosaic = (mosaic >> 8).astype(np.uint8)
    return cv2.cvtColor(mosaic, _KNOWN[encoding].to_rgb)


def _decoded(encoded: NDArray[np.uint8], what: str, how: int = _DECODE) -> NDArray:
    """(H, W, 3) uint8 in OpenCV's order of channels, or what `how` makes of the data."""
    try:
        image = None if _is_cut(encoded.tobytes()) else cv2.imdecode(encoded, how)
    except cv2.error as problem:  # a damaged header claims a picture of any size
        raise BrokenImage(f'{what} cannot be decoded: {problem.err}') from problem
    if image is None:
        raise BrokenImage(f'{what} is empty, cut or damaged')
    return np.asarray(image)


def _is_cut(encoded: bytes) -> bool:
    """Whether the data end too early; OpenCV 4 decodes half a JPEG into a half grey picture."""
    if not encoded.startswith(_JPEG_START):
        return not encoded
    place = 2  # over the segments, as one may hold a small JPEG whole; no scan holds an end marker
    while (head := encoded[place : place + 4])[:1] == b'\xff' and head[:2] != _JPEG_SCAN:
        place += 1 if head[1:2] == b'\xff' else 2 + int.from_bytes(head[2:])  # filled, or a length
    return encoded.rfind(_JPEG_END, place) < 0  # from behind: it is the last thing there


def _encode(extension: str, image: NDArray, options: list[int]) -> NDArray[np.uint8]:
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(extension, image, options)[1].reshape(-1)
