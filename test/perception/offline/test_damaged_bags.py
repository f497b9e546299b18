"""What a damaged bag is: refused in a sentence, or read as far as it goes."""

from __future__ import annotations

import re

import pytest

from sds_perception.offline.bag_source import BagSource, open_bag
from sds_perception.offline.frames import Frame, OfflineError


@pytest.mark.parametrize('content', [b'', b'not a bag'])
@pytest.mark.parametrize('suffix', ['.mcap', '.db3'])
def test_files_that_are_no_bags_are_refused(suffix, content, tmp_path) -> None:
    file = tmp_path / f'broken{suffix}'
    file.write_bytes(content)
    with pytest.raises(OfflineError, match='not a readable ROS 2 bag|no Image'):
        list(BagSource(file).frames())


def test_a_cut_bag_is_refused_in_a_sentence(bag) -> None:
    file = next(path for path in bag.iterdir() if path.suffix in ('.mcap', '.db3'))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(OfflineError, match='not a readable ROS 2 bag'):
        list(BagSource(bag).frames())


@pytest.mark.parametrize('start', [0.02, 0.3, 0.5, 0.7, 0.95])
def test_a_bag_damaged_anywhere_is_read_as_far_as_it_goes_or_refused_in_a_sentence(
    start, bag, frames
) -> None:
    file = next(path for path in bag.iterdir() if path.suffix in ('.mcap', '.db3'))
    data = bytearray(file.read_bytes())
    place = int(start * len(data))
    data[place : place + 5000] = bytes(len(data[place : place + 5000]))
    file.write_bytes(data)
    try:
        items = list(BagSource(bag).frames())
    except OfflineError as refused:
        assert re.search('not a readable ROS 2 bag|is a damaged ROS 2 bag', str(refused))
    else:
        written = iter(frame.stamp_ns for frame in frames)
        read = [each.stamp_ns for each in items if isinstance(each, Frame)]
        assert all(stamp_ns in written for stamp_ns in read)  # in their order


def test_a_bag_whose_metadata_is_cut_short_is_refused_in_one_line(bag) -> None:
    metadata = bag / 'metadata.yaml'
    metadata.write_text(metadata.read_text().split('relative_file_paths')[0] + '["')
    with pytest.raises(OfflineError) as refusal, open_bag(bag):
        pass
    assert '\n' not in str(refusal.value)


def test_what_the_reader_of_a_bag_does_wrong_is_not_blamed_on_the_bag(bag) -> None:
    with pytest.raises(FileNotFoundError), open_bag(bag):
        raise FileNotFoundError
