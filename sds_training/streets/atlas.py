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
from sds_training.streets.textures import TEXTURES

LEVELS = 8  # 256, 128, ... 2 texels
TAPS = 3  # along the longer axis of the footprint
_BORDER = 2
_SIZE_M = np.array([texture.size_m for texture in TEXTURES.values()], np.float32)


@dataclass(frozen=True)
class Atlas:
    """All mip levels in one image; build with `build_atlas`."""

    image: NDArray[np.uint8]  # (rows, columns, 3)
    side: int  # texels of level 0
    level_left: Floats  # first column of each level's tile, past its border
    tile_rows: int

    def sample(
        self, texture: NDArray[np.int32], uv_m: Floats, across_m: Floats, along_m: Floats,
        taps: int = TAPS,
    ) -> Floats:  # fmt: skip
        """(3, N) texture factors around 1.

        `uv_m` (2, N) metres on the surface; `across_m`, `along_m` (2, N) how they change from one
        pixel to the next in x and in y.
        """
        per_m = (1.0 / _SIZE_M).take(texture)
        major, level = self._footprint(across_m * per_m, along_m * per_m, taps)
        lower, uv = level.astype(np.int32), uv_m * per_m
        places = [uv + major * np.float32(k) for k in (np.arange(taps) + 0.5) / taps - 0.5]
        near = self._lookups(texture, places, lower)
        far = self._lookups(texture, places, lower + 1)
        return near + (far - near) * (level - lower)

    def glance(self, texture: int, uv_m: Floats, across_m: Floats, along_m: Floats) -> Floats:
        """The same of one texture, from the one level that fits best: cheap and rough."""
        per_m = 1.0 / _SIZE_M[texture]
        _, level = self._footprint(across_m * per_m, along_m * per_m, taps=1)
        return self._lookups(np.int32(texture), [uv_m * per_m], np.rint(level).astype(np.int32))

    def _footprint(self, across: Floats, along: Floats, taps: int) -> tuple[Floats, Floats]:
        """The longer axis (2, N) of a pixel on its texture, and the level (N,) for the shorter."""
        squares = [(d * d).sum(0) for d in (across, along)]
        major = np.where(squares[0] > squares[1], across, along)
        longer = np.maximum(*squares) / np.float32((taps + 1) ** 2)
        square = np.maximum(np.minimum(*squares), longer) * np.float32(self.side**2)
        level = 0.5 * np.log2(np.maximum(square, np.float32(1.0)))
        return major, np.minimum(level, np.float32(LEVELS - 1.001))

    def _lookups(self, texture: NDArray[np.int32], places: list[Floats], level: NDArray) -> Floats:
        """(3, N) mean factor of bilinear lookups at several (2, N) places, repeats of 1."""
        size = (np.float32(self.side) / (1 << np.arange(LEVELS)).astype(np.float32)).take(level)
        left = self.level_left.take(level) - np.float32(0.5)
        top = (texture * self.tile_rows + _BORDER) - np.float32(0.5)
        count, columns = places[0].shape[1], 1 << 12  # remap wants an image with short sides
        grid = np.zeros((2, -(-count // columns) * columns), np.float32)
        total = np.zeros((grid.shape[1], 3), np.uint16)
        for uv in places:
            uv = uv - np.floor(uv)
            grid[0, :count], grid[1, :count] = uv[0] * size + left, uv[1] * size + top
            found = cv2.remap(self.image, *grid.reshape(2, -1, columns), cv2.INTER_LINEAR)
            total += found.reshape(-1, 3)
        return total[:count].T * np.float32(1.0 / (128.0 * len(places)))


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
