"""Videos: every frame once, whatever befell one of them."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from sds_perception.offline.frames import Frame, OfflineError, Skipped
from sds_perception.offline.pictures import Video
from sds_perception.offline.run import Tally

GREYS = [0, 40, 80, 120, 160]


def film(path: Path, codec: str = 'MJPG') -> Path:
    """A grey after the other at 10 Hz."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 10, (80, 48))
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


def test_what_a_container_claims_beyond_its_last_frame_is_no_damage(tmp_path) -> None:
    video = Video(film(tmp_path / 'drive.avi'), None)
    video.count += 30  # as Matroska tells it where the sound is longer
    assert [item.name for item in video.frames()] == [f'{n:06d}' for n in range(5)]


@pytest.mark.parametrize('damaged', [0, 2, 3])
def test_a_damaged_frame_is_named_and_those_after_it_are_read(tmp_path, damaged) -> None:
    damage(film(tmp_path / 'drive.avi'), damaged)
    items = list(Video(tmp_path / 'drive.avi', None).frames())
    assert [item.name for item in items] == [f'{number:06d}' for number in range(5)]
    assert items[damaged] == Skipped(f'{damaged:06d}', 'cannot be decoded')
    for number, item in enumerate(items):
        if number != damaged:
            assert isinstance(item, Frame) and abs(int(item.rgb[0, 0, 0]) - GREYS[number]) < 4
            assert item.stamp_ns == 100_000_000 * number


def pace(path: Path, ticks: list[int]) -> None:
    """Let every frame of an MP4 last so many of 10240 ticks per second."""
    data = path.read_bytes()
    table = b''.join(struct.pack('>II', 1, each) for each in ticks)
    place = data.index(b'stts') - 4
    head, tail = bytearray(data[:place]), data[place + 24 :]
    for name in (b'moov', b'trak', b'mdia', b'minf', b'stbl'):  # the boxes it lies in
        start = head.index(name) - 4
        size = int.from_bytes(head[start : start + 4], 'big') + len(table) - 8
        head[start : start + 4] = size.to_bytes(4, 'big')
    box = struct.pack('>I4sII', 16 + len(table), b'stts', 0, len(ticks)) + table
    path.write_bytes(bytes(head) + box + tail)


def test_the_frames_of_a_video_of_varying_rate_are_stamped_in_their_own_time(tmp_path) -> None:
    path = film(tmp_path / 'drive.mp4', 'mp4v')
    pace(path, [512, 2048, 512, 1024, 1024])
    stamps_ms = [item.stamp_ns // 1_000_000 for item in Video(path, None).frames()]
    assert stamps_ms == [0, 50, 250, 300, 400]


def test_a_video_is_seen_as_its_camera_gave_it_however_players_turn_it(tmp_path) -> None:
    path, whole = film(tmp_path / 'drive.mp4', 'mp4v'), 0x10000
    upright = struct.pack('>9i', whole, 0, 0, 0, whole, 0, 0, 0, 0x40000000)
    turned = struct.pack('>9i', 0, whole, 0, -whole, 0, 0, 0, 0, 0x40000000)
    head, tail = path.read_bytes().rsplit(upright, 1)  # of the track, after that of the movie
    path.write_bytes(head + turned + tail)
    assert cv2.VideoCapture(str(path)).read()[1].shape == (80, 48, 3)  # OpenCV understands it
    assert {item.rgb.shape for item in Video(path, None).frames()} == {(48, 80, 3)}


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
