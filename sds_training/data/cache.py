"""Frames and labels at training size in memory-mapped files, so that loading costs a copy.

A cache folder holds numbered shards: `00000.raw`, the pixels one after another, and `00000.json`,
where each file's pixels lie, their shape, and size and time of the file they were made from. The
JSON is written last and atomically: a shard without it does not exist, which is what makes a
killed build resumable. Files that changed since are found by size and time, never used silently.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sds_training.data.cityscapes import KINDS, DataError
from sds_training.data.config import DataConfig
from sds_training.data.files import read_label, read_picture
from sds_training.data.geometric import resize_label, resize_picture


class CacheError(DataError):
    """A cache that is missing, incomplete or older than its files."""


class Stored(NamedTuple):
    """Where one file's pixels lie in a shard, and which file they were made from."""

    offset: int  # bytes
    shape: tuple[int, ...]  # (H, W, 3), or (H, W) for a label
    recorded: tuple[int, int]  # width, height of the original, pixels
    bytes: int  # size of the original file
    time_ns: int  # modification time of the original file

    @property
    def end(self) -> int:
        """The first byte after the pixels."""
        return self.offset + math.prod(self.shape)


class Resized(NamedTuple):
    """One resized picture or label and the size it was recorded at."""

    pixels: NDArray[np.uint8]  # (H, W, 3) RGB or (H, W) train ids, read only
    recorded: tuple[int, int]  # width, height, pixels


class OriginalFiles:
    """Reads and resizes the original file at every call; what a cache is compared with."""

    def __init__(self, config: DataConfig) -> None:
        self._config = config

    def read(self, path: Path) -> Resized:
        """The picture or label at training size."""
        return Resized(*resized_pixels(path, self._config))


class CachedFiles:
    """Pixels from the memory-mapped cache; opening it checks every file it will be asked for."""

    def __init__(self, config: DataConfig, paths: Iterable[Path]) -> None:
        self._root = Path(config.root)
        self._folder = config.cache_dir
        self._where = entries(self._folder)
        self._shards: dict[int, NDArray[np.uint8]] = {}
        self._require(list(paths))

    def read(self, path: Path) -> Resized:
        """The picture or label at training size, a view of the mapped file."""
        shard, stored = self._where[key_of(self._root, path)]
        return Resized(self._pixels(shard, stored), stored.recorded)

    def __getstate__(self) -> dict:
        """Leave the maps behind: a loader process opens its own."""
        return {**self.__dict__, '_shards': {}}

    def _pixels(self, shard: int, stored: Stored) -> NDArray[np.uint8]:
        if shard not in self._shards:
            self._shards[shard] = self._mapped(raw_file(self._folder, shard))
        return self._shards[shard][stored.offset : stored.end].reshape(stored.shape)

    @staticmethod
    def _mapped(raw: Path) -> NDArray[np.uint8]:
        try:
            return np.memmap(raw, np.uint8, mode='r')
        except FileNotFoundError as problem:
            raise CacheError(
                f'the shard {raw} was there when the cache was opened and is gone, perhaps by '
                'sds-prepare after a file changed; the same command opens what is there now'
            ) from problem

    def _require(self, paths: list[Path]) -> None:
        missing = [path for path in paths if key_of(self._root, path) not in self._where]
        advice = (
            f'run sds-prepare on {self._root} with the same data.size, data.fit, '
            'data.neighbour_gap and data.extra_unlabelled'
        )
        if missing:
            raise CacheError(
                f'the cache {self._folder} lacks {len(missing)} of {len(paths)} files '
                f'(first: {missing[0].name}); {advice}'
            )
        stale = [p for p in paths if not is_current(p, self._where[key_of(self._root, p)][1])]
        if stale:
            raise CacheError(
                f'{len(stale)} of {len(paths)} files changed after {self._folder} was made from '
                f'them (first: {stale[0].name}); {advice}'
            )


def resized_pixels(path: Path, config: DataConfig) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Pixels of a picture or label file at training size, and its recorded (width, height)."""
    is_label = path.stem.endswith(KINDS['labels'].ending)
    pixels = read_label(path) if is_label else read_picture(path)
    recorded = (pixels.shape[1], pixels.shape[0])
    resize = resize_label if is_label else resize_picture
    return resize(pixels, training_size(recorded, config)), recorded


def training_size(recorded: tuple[int, int], config: DataConfig) -> tuple[int, int]:
    """The (width, height) in pixels that a picture of size `recorded` is resized to."""
    if config.fit == 'stretch':
        return config.size
    scale = max(want / have for want, have in zip(config.size, recorded, strict=True))
    width, height = (
        max(want, round(have * scale)) for want, have in zip(config.size, recorded, strict=True)
    )
    return width, height


def entries(folder: Path) -> dict[str, tuple[int, Stored]]:
    """Every file of the cache by key, with the number of its shard."""
    found: dict[str, tuple[int, Stored]] = {}
    for index in sorted(folder.glob('*.json')):
        shard = read_index(index)
        if shard is None:
            raise CacheError(
                f'the shard {index.with_suffix("")} is not whole, perhaps copied in part; run '
                'sds-prepare again, it makes what is missing'
            )
        found.update({key: (int(index.stem), stored) for key, stored in shard.items()})
    return found


def read_index(path: Path) -> dict[str, Stored] | None:
    """The files of one shard by key; None where it or its pixels are not whole.

    A copy may bring either file in part, or only one of them.
    """
    try:
        shard = {
            key: Stored(offset, tuple(shape), tuple(recorded), *status)
            for key, (offset, shape, recorded, *status) in json.loads(path.read_text()).items()
        }
        held = raw_file(path.parent, int(path.stem)).stat().st_size
        whole = held == max(stored.end for stored in shard.values())
    except (FileNotFoundError, ValueError):
        return None
    return shard if whole else None


def is_current(path: Path, stored: Stored) -> bool:
    """Whether the original is there and is the file that was stored."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return False
    return (status.st_size, status.st_mtime_ns) == (stored.bytes, stored.time_ns)


def raw_file(folder: Path, number: int) -> Path:
    """The pixels of a shard."""
    return folder / f'{number:05d}.raw'


def key_of(root: Path, path: Path) -> str:
    """The name of a file in the cache: its path inside the root."""
    return path.relative_to(root).as_posix()
