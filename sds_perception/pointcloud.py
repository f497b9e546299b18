"""Scene and camera to an organised, labelled cloud in the layout ROS consumers read.

One point per (kept) pixel, in the optical frame: x right, y down, z forward, in the depth's own
unit; NaN where the depth is unknown. At 720p a cloud takes 4 ms because every pass runs over
planes and a single `cv2.merge` interleaves them: a point is five 32-bit words (20 bytes), the last
one holding label and confidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sds_perception.camera import Camera
from sds_perception.render import color_labels
from sds_perception.scene import Scene

_UINT8, _FLOAT32 = 2, 7  # datatype numbers of sensor_msgs/PointField
_NUMPY = {_UINT8: '<u1', _FLOAT32: '<f4'}
_WORDS = 5
_NO_ALPHA = np.uint32(0x00FFFFFF)


class CloudField(NamedTuple):
    """The fields of sensor_msgs/PointField, in its order."""

    name: str
    offset: int  # bytes into a point
    datatype: int
    count: int


@dataclass(frozen=True)
class CloudLayout:
    """How one point lies in memory, for PointCloud2 and for numpy alike."""

    fields: tuple[CloudField, ...]
    point_step: int  # bytes per point, padding included

    @property
    def dtype(self) -> np.dtype:
        """The structured dtype sensor_msgs_py would make of the same fields."""
        return np.dtype(
            {
                'names': [each.name for each in self.fields],
                'formats': [_NUMPY[each.datatype] for each in self.fields],
                'offsets': [each.offset for each in self.fields],
                'itemsize': self.point_step,
            }
        )


# rgb is 0x00RRGGBB in the bits of a float, as PCL and depth_image_proc have it. Its alpha byte
# stays zero: with 255 the float would be NaN and readers that skip NaN would drop every point.
CLOUD_LAYOUT = CloudLayout(
    fields=(
        CloudField('x', 0, _FLOAT32, 1),
        CloudField('y', 4, _FLOAT32, 1),
        CloudField('z', 8, _FLOAT32, 1),
        CloudField('rgb', 12, _FLOAT32, 1),
        CloudField('label', 16, _UINT8, 1),
        CloudField('confidence', 17, _UINT8, 1),
    ),
    point_step=4 * _WORDS,
)


class CloudMaker:
    """Makes clouds for one camera; rays and buffers are made once and used for every frame."""

    def __init__(self, camera: Camera, decimation: int = 1) -> None:
        """Keep every `decimation`-th pixel of both axes, from the middle of its block."""
        if not 1 <= decimation <= min(camera.width, camera.height):
            raise ValueError(
                f'decimation must lie in [1, {min(camera.width, camera.height)}] for a '
                f'{camera.width}x{camera.height} picture, got {decimation}'
            )
        self.camera, self.decimation = camera, decimation
        u = np.arange(decimation // 2, camera.width, decimation, dtype=np.float32)
        v = np.arange(decimation // 2, camera.height, decimation, dtype=np.float32)
        self._ray_x = ((u - camera.cx) / camera.fx).astype(np.float32)[None, :]
        self._ray_y = ((v - camera.cy) / camera.fy).astype(np.float32)[:, None]
        self.size = (len(v), len(u))  # (h, w) of the cloud
        self._x, self._y = np.empty(self.size, np.float32), np.empty(self.size, np.float32)
        self._color = np.empty((*self.size, 4), np.uint8)
        self._meaning = np.empty((*self.size, 4), np.uint8)
        self._zeros = np.zeros(self.size, np.uint8)
        self._words = np.empty((*self.size, _WORDS), np.float32)

    def __call__(self, scene: Scene, rgb: NDArray[np.uint8] | None = None) -> NDArray[np.void]:
        """(h, w) points of `CLOUD_LAYOUT.dtype`, overwritten by the next call.

        `rgb` (H, W, 3) colours the points; without it they take the colour of their class.
        `image_bytes(cloud)` is the data of the message.
        """
        self._refuse_other_sizes(scene, rgb)
        colors = color_labels(scene.labels) if rgb is None else rgb
        z, labels, confidence, colors = map(
            self._kept, (scene.depth, scene.labels, scene.confidence, colors)
        )
        np.multiply(z, self._ray_x, out=self._x)
        np.multiply(z, self._ray_y, out=self._y)
        cv2.cvtColor(colors, cv2.COLOR_RGB2BGRA, dst=self._color)
        packed = self._color.view(np.uint32)
        np.bitwise_and(packed, _NO_ALPHA, out=packed)
        cv2.merge([labels, confidence, self._zeros, self._zeros], dst=self._meaning)
        words = [self._x, self._y, z, _as_words(self._color), _as_words(self._meaning)]
        cv2.merge(words, dst=self._words)
        return self._words.view(CLOUD_LAYOUT.dtype)[..., 0]

    def _kept(self, plane: NDArray) -> NDArray:
        first, step = self.decimation // 2, self.decimation
        return np.ascontiguousarray(plane[first::step, first::step])

    def _refuse_other_sizes(self, scene: Scene, rgb: NDArray[np.uint8] | None) -> None:
        wanted = (self.camera.height, self.camera.width)
        for name, size in (
            ('scene', scene.size),
            ('rgb', rgb.shape[:2] if rgb is not None else None),
        ):
            if size not in (wanted, None):
                raise ValueError(f"{name} is (H, W) = {size}, the cloud's camera is {wanted}")


def _as_words(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(h, w, 4) uint8 as (h, w) 32-bit words; float only so that `cv2.merge` takes them along."""
    return pixels.view(np.float32)[..., 0]
