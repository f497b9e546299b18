"""Laws of writing bags: the same frames give the same bytes, and a full disk is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sds_perception.offline.bag_source import open_bag
from sds_perception.offline.bag_writer import STORAGES, BagWriter, write_bag
from sds_perception.offline.frames import OfflineError


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_writing_the_same_frames_twice_gives_the_same_files(storage, frames, tmp_path) -> None:
    digests, contents = [], []
    for run in ('one', 'two'):
        path = tmp_path / run / 'drive'
        digests.append(write_bag(path, frames, storage=storage).digest)
        contents.append({file.name: file.read_bytes() for file in sorted(path.iterdir())})
    assert digests[0] == digests[1]
    assert contents[0] == contents[1]


def test_the_digest_notices_one_pixel_and_one_nanosecond(frames, tmp_path) -> None:
    pixel = frames[2].rgb.copy()
    pixel[0, 0, 0] ^= 1
    variants = {
        'same': frames,
        'pixel': [*frames[:2], replace(frames[2], rgb=pixel), *frames[3:]],
        'time': [*frames[:4], replace(frames[4], logged_ns=frames[4].logged_ns + 1)],
    }
    digests = {name: write_bag(tmp_path / name, each).digest for name, each in variants.items()}
    assert len(set(digests.values())) == 3


def test_an_existing_bag_is_not_written_over(bag, frames) -> None:
    with pytest.raises(OfflineError, match='exists already'):
        write_bag(bag, frames)


def test_what_is_recorded_as_it_came_costs_no_digest(tmp_path) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        before = bag.digest
        bag.announce('/said', 'std_msgs/msg/String')
        bag.write('/said', bytes(16), 1)
        assert (bag.digest, bag.counts) == (before, {'/said': 1})


@pytest.mark.parametrize('storage', STORAGES)
def test_a_disk_that_takes_no_more_is_told_with_the_bag(
    storage, files_of_at_most, tmp_path
) -> None:
    path = tmp_path / 'bag'
    with (
        files_of_at_most(2**20),
        pytest.raises(OfflineError, match=f'cannot write the bag {path}: '),
        BagWriter(path, storage) as bag,
    ):
        bag.announce('/said', 'std_msgs/msg/String')
        for number in range(1000):
            bag.write('/said', bytes(10_000), number)
    if storage == 'sqlite3':
        with open_bag(path / 'bag.db3') as reader:
            assert reader.message_count >= 50


@pytest.mark.parametrize('storage', STORAGES)
def test_a_bag_that_could_not_be_begun_is_not_in_the_way_of_the_next_try(
    storage, frames, files_of_at_most, tmp_path
) -> None:
    with files_of_at_most(100), pytest.raises(OfflineError, match='cannot write the bag'):
        write_bag(tmp_path / 'bag', frames, storage=storage)
    assert not (tmp_path / 'bag').exists()
