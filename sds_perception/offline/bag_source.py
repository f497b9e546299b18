"""Frames from a ROS 2 bag, read without ROS."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader, ReaderError
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, get_typestore

from sds_perception.calibration import Calibration, CalibrationReader, lens_note
from sds_perception.camera import CameraError
from sds_perception.image_codec import BrokenImage, UnsupportedImage, rgb_of
from sds_perception.offline.camera_choice import CameraChoice
from sds_perception.offline.frames import Frame, OfflineError, Skipped

IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
INFO = 'sensor_msgs/msg/CameraInfo'
UNUSABLE = (UnsupportedImage, BrokenImage, CameraError, SerdeError)  # one frame's own fault

log = logging.getLogger(__name__)


class BagSource:
    """The pictures of one topic of a bag, each with the CameraInfo that belongs to it.

    Args:
        path: bag folder, or a .db3 or .mcap file.
        topic: of the pictures; may be left out where the bag has only one such topic.
        choice: a camera that takes the place of the bag's own.
        lens: how the bag's CameraInfo is read: 'raw', 'rectify' or 'rectified'. One that cannot be
            used costs the camera of its frames; the frames themselves only if it is to rectify.

    Raises:
        OfflineError: no such bag or topic.
    """

    def __init__(
        self,
        path: Path,
        topic: str | None = None,
        choice: CameraChoice | None = None,
        lens: str = 'raw',
    ) -> None:
        self._path, self._choice, self._must_rectify = path, choice, lens == 'rectify'
        self._told: set[str] = set()  # why CameraInfo could not be used; each is said once
        self._types = get_typestore(Stores.LATEST)
        with open_bag(path) as reader:
            self._pictures = _picture_topic(path, reader.connections, topic)
            info = None if choice else info_topic(reader.connections, self._pictures.topic)
            infos = alike(reader, info)
            self._infos = _Infos(self._readable(reader, infos), lens)
            self.count = messages_on(alike(reader, self._pictures))
        self.has_camera = choice is not None or bool(self._infos)
        lost = messages_on(infos) - len(self._infos)
        damage = f'{lost} CameraInfo of the bag cannot be read' if lost else ''
        notes = info_note(self._pictures.topic, info), damage, self._infos.note
        self.note = choice.note if choice else '; '.join(filter(None, notes))

    def frames(self) -> Iterator[Frame | Skipped]:
        """Every picture once, in the bag's order."""
        with open_bag(self._path) as reader:
            wanted = alike(reader, self._pictures)
            for number, (_, logged_ns, data) in enumerate(read(reader, wanted)):
                try:
                    yield self._frame(f'{number:06d}', logged_ns, data)
                except UNUSABLE as problem:
                    yield Skipped(f'{number:06d}', str(problem))

    def _frame(self, name: str, logged_ns: int, data: bytes) -> Frame:
        message: Any = self._types.deserialize_cdr(data, self._pictures.msgtype)
        rgb, stamp_ns = rgb_of(message), stamp_of(message.header)
        height, width = rgb.shape[:2]
        choice = self._choice
        calibration = choice(width, height) if choice else self._own(stamp_ns, width, height)
        seen = calibration.seen(rgb) if calibration else rgb
        return Frame(name, seen, stamp_ns, logged_ns, message.header.frame_id, calibration)

    def _own(self, stamp_ns: int, width: int, height: int) -> Calibration | None:
        """By the bag's CameraInfo; None without one of use, as in the node."""
        try:
            return self._infos.calibration(stamp_ns, width, height)
        except CameraError as problem:
            if self._must_rectify:
                raise
            if str(problem) not in self._told:  # labels and relative depth need none
                self._told.add(str(problem))
                log.warning('%s: such pictures have no camera', problem)
            return None

    def _readable(self, reader: Reader, wanted: list[Connection]) -> Iterator[Any]:
        for connection, _, data in read(reader, wanted):
            with suppress(SerdeError):  # damaged; its neighbours say the same
                yield self._types.deserialize_cdr(data, connection.msgtype)


class _Infos:
    """All CameraInfo of a camera by stamp."""

    def __init__(self, messages: Iterator[Any], lens: str) -> None:
        found = sorted(((stamp_of(each.header), each) for each in messages), key=lambda x: x[0])
        self._stamps, self._messages = [s for s, _ in found], [m for _, m in found]
        self._reader = CalibrationReader(lens)
        self.note = next(filter(None, (lens_note(each, lens) for each in self._messages)), '')

    def __len__(self) -> int:
        return len(self._messages)

    def calibration(self, stamp_ns: int, width: int, height: int) -> Calibration | None:
        """Of the info with this stamp, or else the last before it, or else the first."""
        if not self._messages:
            return None
        info = self._messages[max(bisect_right(self._stamps, stamp_ns) - 1, 0)]
        return self._reader.read(info, width, height)


def stamp_of(header: Any) -> int:
    """Nanoseconds of a std_msgs/Header."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


@contextmanager
def open_bag(path: Path) -> Iterator[Reader]:
    """Open a ROS 2 bag folder or file; OfflineError says what is wrong with it."""
    try:
        reader = Reader(path)
        reader.open()
    except Exception as problem:  # rosbags lets those of its parsers through, of many kinds
        said = str(problem).partition('\n')[0]  # YAML's goes on over lines, with the text it read
        if 'end magic' in said:
            said += '; nobody closed it, `mcap recover` saves what it holds'
        raise OfflineError(f'{path} is not a readable ROS 2 bag: {said}') from problem
    try:
        yield reader
    except ReaderError as problem:
        raise OfflineError(f'{path} is not a readable ROS 2 bag: {problem}') from problem
    finally:
        reader.close()


def read(reader: Reader, connections: list[Connection]) -> Iterator[tuple[Connection, int, bytes]]:
    """Connection, time and bytes of every message; OfflineError where the bag is damaged."""
    if not connections:  # which the reader would take for all
        return
    try:
        yield from reader.messages(connections)
    except Exception as problem:  # apsw's, zstd's, an OverflowError: not what the caller raises
        raise OfflineError(f'{reader.path} is a damaged ROS 2 bag: {problem}') from problem


def _picture_topic(path: Path, connections: list[Connection], topic: str | None) -> Connection:
    pictures = [each for each in connections if each.msgtype in (IMAGE, COMPRESSED)]
    names = ', '.join(sorted({each.topic for each in pictures})) or 'none'
    if topic is not None:
        pictures = [each for each in pictures if each.topic == topic]
        if not pictures:
            raise OfflineError(f'{path} has no picture topic {topic}; it has: {names}')
    if not pictures:
        raise OfflineError(f'{path} holds no Image or CompressedImage')
    if len({each.topic for each in pictures}) > 1:
        raise OfflineError(f'{path} has several picture topics, choose one with --topic: {names}')
    return pictures[0]


def info_topic(connections: list[Connection], picture_topic: str) -> Connection | None:
    """The sibling 'camera_info', or else the bag's only CameraInfo."""
    infos = {e.topic: e for e in connections if e.msgtype == INFO and e.msgcount}
    sibling = infos.get(_sibling(picture_topic))
    if sibling is None and len(infos) == 1:
        return next(iter(infos.values()))
    return sibling


def info_note(picture_topic: str, info: Connection | None) -> str:
    """What a reader has to know of where the intrinsics came from; '' where it is as usual."""
    if info is None:
        return f'no CameraInfo for {picture_topic} in the bag: its pictures have no camera'
    if info.topic == _sibling(picture_topic):
        return ''
    return f'no {_sibling(picture_topic)} in the bag: {info.topic}, its only CameraInfo, is taken'


def _sibling(picture_topic: str) -> str:
    return picture_topic.removesuffix('/compressed').rsplit('/', 1)[0] + '/camera_info'


def alike(reader: Reader, one: Connection | None) -> list[Connection]:
    """All of its topic and type: a publisher that came back with another QoS has its own."""
    wanted = (one.topic, one.msgtype) if one else None
    return [each for each in reader.connections if (each.topic, each.msgtype) == wanted]


def messages_on(connections: list[Connection]) -> int:
    """How many they hold together."""
    return sum(each.msgcount for each in connections)
