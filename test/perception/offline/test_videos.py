"""Videos: every frame once, whatever befell one of them."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from sds_perception.offline.frames import Frame, OfflineError, Skipped
from sds_perception.offline.pictures import Video
from sds_perception.offline.run import Tally

GREYS = [0, 40, 80, 120, 160]


def film(path: Path) -> Path:
    """Motion JPEG, a grey after the other."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 10, (80, 48))
    for grey in GREYS:
        writer.write(np.full((48, 80, 3), grey, np.uint8))
    writer.release()
    return path


def damage(path: Path, number: int) -> None:
    """Overwrite one of the pictures in it."""
    data = path.read_bytes()
    starts = [place for place in range(len(data)) if data[place : place + 3] == b'\xff\xd8\xff']
    end = data.index(b'\xff\xd9', starts[number]) + 2
    path.write_bytes(data[: starts[number]] + bytes(end - starts[number]) + data[end:])


@pytest.mark.parametrize('damaged', [0, 2, 4])
def test_a_damaged_frame_is_named_and_those_after_it_are_read(tmp_path, damaged) -> None:
    damage(film(tmp_path / 'drive.avi'), damaged)
    items = list(Video(tmp_path / 'drive.avi', None).frames())
    assert [item.name for item in items] == [f'{number:06d}' for number in range(5)]
    assert items[damaged] == Skipped(f'{damaged:06d}', 'cannot be decoded')
    for number, item in enumerate(items):
        if number != damaged:
            assert isinstance(item, Frame) and abs(int(item.rgb[0, 0, 0]) - GREYS[number]) < 4
            assert item.stamp_ns == 100_000_000 * number


def test_a_video_that_does_not_know_its_length_ends_where_nothing_can_be_read(tmp_path) -> None:
    video = Video(film(tmp_path / 'drive.avi'), None)
    video.count = 0
    assert len(list(video.frames())) == 5


def test_a_run_that_saw_less_than_was_expected_says_so() -> None:
    lost = [Skipped('000001', 'cannot be decoded')]
    assert next(Tally(5, done=3, skipped=lost).lines()) == 'perceived 3 of 5 frames'
    assert next(Tally(5, done=4, skipped=lost).lines()) == 'perceived 4 frames'
    assert next(Tally(0, done=4).lines()) == 'perceived 4 frames'


def test_a_video_whose_name_is_not_utf_8_is_refused(tmp_path) -> None:
    path = film(tmp_path / 'drive.avi').rename(tmp_path / os.fsdecode(b'\xff.avi'))
    with pytest.raises(OfflineError, match='not UTF-8'):
        Video(path, None)
