from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from sds_training.data import cache_build
from sds_training.data.cache import CachedFiles, CacheError, OriginalFiles, training_size
from sds_training.data.cache_build import build_cache
from sds_training.data.cityscapes import DataError
from sds_training.data.clips import training_pools
from sds_training.data.config import DataConfig
from sds_training.data.loading import files_of


@pytest.fixture
def config(street) -> DataConfig:
    return DataConfig(root=str(street.root), size=(32, 16), crop=(16, 16))


@pytest.fixture
def files(config: DataConfig) -> list:
    return files_of(training_pools(config).labelled)


def test_the_cache_holds_what_reading_the_originals_gives(config, files) -> None:
    assert build_cache(files, config) == len(files)
    cached, originals = CachedFiles(config, files), OriginalFiles(config)
    for path in files:
        np.testing.assert_array_equal(cached.read(path).pixels, originals.read(path).pixels)
        assert cached.read(path).recorded == (64, 32)


def test_two_processes_write_the_same_cache_as_one(config, files, tmp_path) -> None:
    other = replace(config, cache=str(tmp_path / 'other'))
    seen = []
    build_cache(files, config)
    build_cache(files, other, processes=2, on_progress=lambda *at: seen.append(at))
    assert seen[0] == (0, len(files)) and seen[-1] == (len(files), len(files))
    for path in files:
        ours, theirs = (CachedFiles(each, files).read(path)[0] for each in (config, other))
        np.testing.assert_array_equal(ours, theirs)


def test_a_killed_build_keeps_its_finished_shards_and_goes_on(config, files, monkeypatch) -> None:
    monkeypatch.setattr(cache_build, 'SHARD_FILES', 4)
    done = []

    def killed(finished: int, total: int) -> None:
        done.append(finished)
        if finished == 8:
            (config.cache_dir / 'tmp1x2y.partial').write_bytes(b'half a picture')
            (config.cache_dir / '00003.raw').write_bytes(b'pixels whose index was not written')
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_cache(files, config, on_progress=killed)
    with pytest.raises(
        CacheError, match=f'lacks {len(files) - 8} of {len(files)} files.*extra_unlabelled'
    ):
        CachedFiles(config, files)
    assert build_cache(files, config) == len(files) - 8
    CachedFiles(config, files)
    assert not list(config.cache_dir.glob('*partial'))


@pytest.mark.parametrize(
    ('problem', 'told'),
    [(MemoryError('112 GiB'), '112 GiB'), (cv2.error('Failed to allocate'), 'Failed to allocate')],
)
def test_frames_too_large_for_the_memory_are_told_and_leave_nothing(
    config, files, monkeypatch, problem: Exception, told: str
) -> None:
    def too_large(*_: object) -> None:
        raise problem

    monkeypatch.setattr(cache_build, 'resized_pixels', too_large)
    width, height = config.size
    with pytest.raises(CacheError, match=rf'resized to {width}x{height} \({told}\); wanted a sm'):
        build_cache(files, config)
    assert not list(config.cache_dir.glob('*partial'))


def test_a_file_that_changed_is_refused_until_it_is_cached_again(config, files) -> None:
    build_cache(files, config)
    os.utime(files[0], ns=(1, 1))
    with pytest.raises(CacheError, match='1 of .* files changed after .* run sds-prepare'):
        CachedFiles(config, files)
    assert build_cache(files, config) > 0
    CachedFiles(config, files)


def test_a_file_that_grew_and_kept_its_time_has_changed(config, files) -> None:
    build_cache(files, config)
    status = files[0].stat()
    files[0].write_bytes(files[0].read_bytes() + b'more')
    os.utime(files[0], ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(CacheError, match='1 of .* files changed after'):
        CachedFiles(config, files)


def test_an_open_cache_whose_shard_is_made_again_is_told_so_and_reads_no_other_pixels(
    config, files
) -> None:
    build_cache(files, config)
    opened = CachedFiles(config, files)
    os.utime(files[0], ns=(1, 1))
    build_cache(files[::-1][:3], config)
    with pytest.raises(CacheError, match='00000.raw was there when the cache was opened and is'):
        opened.read(files[0])


@pytest.mark.parametrize('kept', [None, 0, 100])
@pytest.mark.parametrize('name', ['00001.raw', '00001.json'])
def test_a_shard_of_which_a_file_is_gone_or_cut_is_refused_and_alone_made_again(
    config, files, monkeypatch, name: str, kept: int | None
) -> None:
    monkeypatch.setattr(cache_build, 'SHARD_FILES', 8)
    build_cache(files, config)
    path = config.cache_dir / name
    part = path.read_bytes()[:kept]
    path.unlink() if kept is None else path.write_bytes(part)
    with pytest.raises(CacheError, match='run sds-prepare'):
        CachedFiles(config, files)
    assert build_cache(files, config) == 8
    CachedFiles(config, files)


def test_pixels_of_more_files_than_the_index_knows_are_not_its_own(config, files) -> None:
    build_cache(files, config)
    with (config.cache_dir / '00000.raw').open('ab') as raw:
        raw.write(b'pixels of another build')
    with pytest.raises(CacheError, match='00000 is not whole'):
        CachedFiles(config, files)


def test_a_label_made_smaller_holds_no_class_between_two_others(config, street) -> None:
    path = street.label('aachen_000098_000019')
    ids = np.resize(np.array([7, 26, 26], np.uint8), (32, 64))  # road and cars
    cv2.imwrite(str(path), ids)
    assert set(np.unique(OriginalFiles(config).read(path).pixels)) == {0, 13}


def test_a_label_cached_at_another_size_is_not_used(config, files) -> None:
    build_cache(files, config)
    with pytest.raises(CacheError, match='64x32-cover lacks'):
        CachedFiles(replace(config, size=(64, 32)), files)


def test_two_writers_at_once_are_refused(config, files) -> None:
    def start_another(done: int, total: int) -> None:
        build_cache(files, config)

    with pytest.raises(CacheError, match='another process is writing'):
        build_cache(files, config, on_progress=start_another)


def test_a_cache_folder_serves_one_root(config, files, tmp_path) -> None:
    config = replace(config, cache=str(tmp_path / 'shared'))
    build_cache(files, config)
    other = replace(config, root=str(tmp_path / 'other'))
    (tmp_path / 'other').mkdir()
    with pytest.raises(CacheError, match=f'holds pictures of {config.root}, not of {other.root}'):
        build_cache([], other)
    CachedFiles(config, files)
    assert build_cache(files, config) == 0


def test_a_root_that_is_moved_keeps_the_cache_inside_it(config, files, tmp_path) -> None:
    build_cache(files, config)
    moved = Path(config.root).rename(tmp_path / 'moved')
    there = [moved / path.relative_to(config.root) for path in files]
    assert build_cache(there, replace(config, root=str(moved))) == 0


def test_a_full_disk_is_named_and_leaves_nothing_half_written(config, files, monkeypatch) -> None:
    def full(out: object) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    told = 'shard .*/00000.raw could not be written .*No space left on device'
    with pytest.raises(CacheError, match=told):
        build_cache(files, config)
    assert not list(config.cache_dir.glob('*partial'))


def test_a_process_that_is_killed_is_told_in_a_sentence(config, files, monkeypatch) -> None:
    monkeypatch.setattr(cache_build, 'write_shard', killed_writer)
    with pytest.raises(CacheError, match='ended from outside, perhaps for want of memory'):
        build_cache(files, config, processes=2)


def killed_writer(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_file_that_is_no_picture_is_named(config, files) -> None:
    files[0].write_bytes(b'PNG cut short')
    with pytest.raises(DataError, match=files[0].name):
        build_cache(files, config)


@pytest.mark.parametrize(
    ('fit', 'recorded', 'wanted'),
    [
        ('cover', (2048, 1024), (1024, 512)),
        ('cover', (640, 480), (1024, 768)),
        ('cover', (1242, 375), (1696, 512)),
        ('stretch', (1242, 375), (1024, 512)),
    ],
)
def test_frames_cover_the_training_size_or_are_stretched_to_it(fit, recorded, wanted) -> None:
    assert training_size(recorded, DataConfig(fit=fit)) == wanted
