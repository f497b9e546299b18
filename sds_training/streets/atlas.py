"""Textures as one mip-mapped picture, looked up with a footprint so that nothing aliases.

OpenCV's remap does the bilinear work: all levels of all textures lie in a single image, and a
lookup is a coordinate in it. Every tile has a border of its own wrapped texels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sds_training.streets.mesh import Floats
from sds_training.streets.texture_names import TEXTURE_SIZE_M

LEVELS = 8  # 256, 128, ... 2 texels
TAPS = 3  # along the longer axis of the footprint
_BORDER = 2
_SIZE_M = np.array(list(TEXTURE_SIZE_M.values()), np.float32)


@dataclass(frozen=True)
class Atlas:
    """All mip levels in one image; build with `build_atlas`."""

    image: NDArray[np.uint8]  # (rows, columns, 3)
    side: int  # texels of level 0
    level_left: Floats  # first column of each level's tile, past its border
    tile_rows: int

    def sample(
        self, texture: NDArray[np.int16], uv_m: Floats, across_m: Floats, along_m: Floats,
        taps: int = TAPS,
    ) -> Floats:  # fmt: skip
        """(N, 3) texture factors around 1.

        `uv_m` (N, 2) metres on the surface; `across_m`, `along_m` (N, 2) how they change from one
        pixel to the next in x and in y.
        """
        per_m = (1.0 / _SIZE_M)[texture]
        lengths = np.stack([np.hypot(d[:, 0], d[:, 1]) for d in (across_m, along_m)]) * per_m
        longer = lengths[0] > lengths[1]
        major = np.where(longer[:, None], across_m, along_m)
        width = np.maximum(lengths.min(0), lengths.max(0) / (taps + 1))
        level = np.log2(np.maximum(width * self.side, 1.0))
        level = np.minimum(level, LEVELS - 1.001).astype(np.float32)
        total = np.zeros((len(texture), 3), np.float32)
        for step in (np.arange(taps) + 0.5) / taps - 0.5:
            shifted = (uv_m + major * np.float32(step)) * per_m[:, None]
            total += self._trilinear(texture, shifted, level)
        return total * np.float32(1.0 / (128.0 * taps))

    def _trilinear(self, texture: NDArray[np.int16], uv: Floats, level: Floats) -> Floats:
        uv = uv - np.floor(uv)
        lower = level.astype(np.int32)
        blend = (level - lower)[:, None]
        near, far = self._bilinear(texture, uv, lower), self._bilinear(texture, uv, lower + 1)
        return near + (far - near) * blend

    def _bilinear(self, texture: NDArray[np.int16], uv: Floats, level: NDArray) -> Floats:
        size = np.float32(self.side) / (1 << level).astype(np.float32)
        x = uv[:, 0] * size + self.level_left[level] - 0.5
        y = uv[:, 1] * size + (texture * self.tile_rows + _BORDER) - np.float32(0.5)
        columns = 1 << 12  # remap wants an image, not a list: its sides stay below 32768
        padded = -len(x) % columns
        grid = [np.pad(v.astype(np.float32), (0, padded)).reshape(-1, columns) for v in (x, y)]
        found = cv2.remap(self.image, *grid, cv2.INTER_LINEAR)
        return found.reshape(-1, 3)[: len(x)].astype(np.float32)


def build_atlas(textures: NDArray[np.uint8]) -> Atlas:
    """Halve every texture down to two texels and lay all levels side by side."""
    rows = []
    for texture in textures:
        side = texture.shape[0]
        tiles, level = [], texture.astype(np.float32)
        for _ in range(LEVELS):
            tile = np.pad(level, ((_BORDER,) * 2, (_BORDER,) * 2, (0, 0)), mode='wrap')
            tiles.append(np.pad(tile, ((0, side + 2 * _BORDER - len(tile)), (0, 0), (0, 0))))
            level = (level[::2, ::2] + level[1::2, ::2] + level[::2, 1::2] + level[1::2, 1::2]) / 4
        rows.append(np.concatenate(tiles, axis=1))
    widths = [textures.shape[1] // 2**k + 2 * _BORDER for k in range(LEVELS)]
    left = np.cumsum([0, *widths[:-1]]) + _BORDER
    image = np.concatenate(rows).round().astype(np.uint8)
    return Atlas(image, textures.shape[1], left.astype(np.float32), len(rows[0]))
