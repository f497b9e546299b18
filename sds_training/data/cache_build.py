"""Writes the resized copies that `cache` reads: resumable, in several processes, by one writer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from pathlib import Path

import cv2
import numpy as np

from sds_perception.atomic_file import write_atomically
from sds_training.data.cache import (
    CacheError,
    Stored,
    entries,
    is_current,
    key_of,
    raw_file,
    read_index,
    resized_pixels,
)
from sds_training.data.config import DataConfig
from sds_training.run.folder_lock import held
from sds_training.worker_process import finished

SHARD_FILES = 256


def build_cache(
    paths: Iterable[Path],
    config: DataConfig,
    processes: int = 1,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Add the files that the cache lacks or holds in an older state; return how many were added.

    `on_progress(done, total)` is told whenever a shard is finished. Kill it at any moment: the
    shards that were finished stay, and the next call goes on from there.
    """
    folder = config.cache_dir
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder, CacheError(f'another process is writing the cache {folder}')):
        _require_own_root(config)
        groups, first = _plan(paths, config, processes)
        total = sum(map(len, groups))
        done = 0
        on_progress(done, total)
        for written in _write_shards(first, groups, config, processes):
            done += written
            on_progress(done, total)
    return done


def _plan(
    paths: Iterable[Path], config: DataConfig, processes: int
) -> tuple[list[list[Path]], int]:
    """The files still to be written, in groups of one shard each, and the first shard's number."""
    root, folder = Path(config.root), config.cache_dir
    wanted = {key_of(root, path): path for path in paths}
    # Numbers of shards about to be swept are not given out again: who has the cache open would
    # take the new pixels for the old.
    last = max((int(each.stem) for each in folder.iterdir() if each.stem.isdigit()), default=-1)
    _sweep(folder, root)
    present = entries(folder)
    todo = [path for key, path in sorted(wanted.items()) if key not in present]
    length = max(1, min(SHARD_FILES, -(-len(todo) // max(1, processes))))
    groups = [todo[start : start + length] for start in range(0, len(todo), length)]
    return groups, last + 1


def _require_own_root(config: DataConfig) -> None:
    """Refuse a folder of another root, whose shards would all be swept out as stale.

    A cache inside its root needs no note, and is moved with it.
    """
    if not config.cache:
        return
    note, root = config.cache_dir / 'root.txt', str(Path(config.root).resolve())
    if note.is_file() and note.read_text() != root:
        raise CacheError(
            f'the cache {config.cache_dir} holds pictures of {note.read_text()}, not of {root}; '
            f'choose another cache, or delete {note} if that root was moved'
        )
    note.write_text(root)


def _write_shards(
    first: int, groups: list[list[Path]], config: DataConfig, processes: int
) -> Iterator[int]:
    """Write the shards from number `first` on, yielding how many files each one holds."""
    orders = [(first + n, group, config) for n, group in enumerate(groups)]
    if processes <= 1 or len(groups) <= 1:
        yield from (write_shard(*order) for order in orders)
        return
    try:
        yield from finished(write_shard, orders, processes)
    except BrokenExecutor as problem:
        raise CacheError(
            f'a process writing the cache {config.cache_dir} was ended from outside, perhaps '
            'for want of memory; the same command goes on, fewer --workers need less'
        ) from problem
    finally:
        _remove_partial(config.cache_dir)  # of processes that were ended


def write_shard(number: int, paths: list[Path], config: DataConfig) -> int:
    """Write one shard, pixels first and its index last; return how many files it holds."""
    raw = raw_file(config.cache_dir, number)
    index: dict[str, Stored] = {}
    try:
        write_atomically(raw, lambda part: index.update(_write_pixels(part, paths, config)))
        text = json.dumps(index)
        write_atomically(raw.with_suffix('.json'), lambda part: part.write_text(text))
    except (MemoryError, cv2.error) as problem:
        width, height = config.size
        raise CacheError(
            f'frames cannot be resized to {width}x{height} ({" ".join(str(problem).split())}); '
            'wanted a smaller size or fewer workers'
        ) from problem
    except OSError as problem:
        raise CacheError(
            f'shard {raw} could not be written ({problem}); finished shards stay, and the same '
            'command goes on'
        ) from problem
    return len(index)


def _write_pixels(file: Path, paths: list[Path], config: DataConfig) -> dict[str, Stored]:
    root = Path(config.root)
    index: dict[str, Stored] = {}
    with file.open('wb') as out:
        for path in paths:
            status = path.stat()
            pixels, recorded = resized_pixels(path, config)
            index[key_of(root, path)] = Stored(
                out.tell(), pixels.shape, recorded, status.st_size, status.st_mtime_ns
            )
            out.write(np.ascontiguousarray(pixels).data)
    return index


def _sweep(folder: Path, root: Path) -> None:
    """Remove what is not whole, and whole shards of which any file changed or is gone."""
    for index in sorted(folder.glob('*.json')):
        shard = read_index(index)
        if shard is None or not all(is_current(root / key, shard[key]) for key in shard):
            index.unlink()
    _remove_partial(folder)
    for path in folder.glob('*.raw'):
        if not path.with_suffix('.json').exists():
            path.unlink()


def _remove_partial(folder: Path) -> None:
    for path in folder.glob('*partial'):
        path.unlink()
