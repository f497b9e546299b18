"""ROS 2 bags written without ROS: the same messages give the same bytes, in the files as well."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Writer
from rosbags.typesys import Stores, get_typestore

from sds_perception.calibration import Calibration
from sds_perception.camera import Camera
from sds_perception.image_codec import encode_jpeg, image_bytes
from sds_perception.offline.frames import Frame, OfflineError

STORAGES = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}
_TOGETHER = 50  # messages that SQLite keeps or loses together
_VERSION = 9  # of the metadata: Jazzy and newer write it
_FOREVER = QosTime(9223372036, 854775807)  # as recorders write it


def offer(depth: int, *, reliable: bool, latched: bool) -> Qos:
    """What a bag's metadata says of a topic, so that players offer the same."""
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=depth,
        reliability=QosReliability.RELIABLE if reliable else QosReliability.BEST_EFFORT,
        durability=QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        deadline=_FOREVER,
        lifespan=_FOREVER,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=_FOREVER,
        avoid_ros_namespace_conventions=False,
    )


class UnknownTypeError(OfflineError):
    """A type of messages that nothing here can describe."""


class BagWriter:
    """Writes messages made from frames, with a digest of (topic, time, bytes), or as they came.

    All of it raises OfflineError where the disk takes no more. What is written then is not whole;
    with SQLite most of it can be read.
    """

    def __init__(
        self, path: Path, storage: str = 'mcap', custom: Mapping[str, str] | None = None
    ) -> None:
        """Make the bag; `custom` goes into its metadata."""
        self._types = get_typestore(Stores.LATEST)
        self._connections: dict[str, Connection] = {}
        self._digest = hashlib.sha256()
        self.counts: dict[str, int] = {}
        self._path = path
        with self._told():
            self._writer = Writer(path, version=_VERSION, storage_plugin=STORAGES[storage])
            try:
                self._writer.open()
            except (OSError, sqlite3.Error):  # not WriterError: that bag is somebody else's
                shutil.rmtree(path, ignore_errors=True)  # it would be in the way of the next try
                raise
            for name, said in (custom or {}).items():
                self._writer.set_custom_data(name, said)

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Finish the bag; after a fault too, so that what was written can be read."""
        try:
            with self._told():
                self._writer.close()
        except OfflineError:
            with suppress(OSError, sqlite3.Error):
                self._writer.abort()
            raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Name the bag where it cannot be written."""
        try:
            yield
        except (WriterError, OSError, sqlite3.Error) as problem:
            raise OfflineError(f'cannot write the bag {self._path}: {problem}') from problem

    @property
    def digest(self) -> str:
        """sha256 over topic, time and bytes of all that was made from frames so far."""
        return self._digest.hexdigest()

    def image(self, topic: str, picture: NDArray[Any], encoding: str, frame: Frame) -> None:
        """Write (H, W) or (H, W, 3) `picture` as sensor_msgs/Image under the frame's header."""
        message = self._message(
            'Image',
            header=self._header(frame),
            height=picture.shape[0],
            width=picture.shape[1],
            encoding=encoding,
            is_bigendian=0,
            step=picture.nbytes // picture.shape[0],
            data=image_bytes(picture),
        )
        self._write(topic, 'sensor_msgs/msg/Image', message, frame.logged_ns)

    def jpeg(self, topic: str, rgb: NDArray[np.uint8], frame: Frame) -> None:
        """Write (H, W, 3) `rgb` as a JPEG in sensor_msgs/CompressedImage."""
        message = self._message(
            'CompressedImage', header=self._header(frame), format='jpeg', data=encode_jpeg(rgb)
        )
        self._write(topic, 'sensor_msgs/msg/CompressedImage', message, frame.logged_ns)

    def camera_info(
        self, topic: str, calibration: Calibration, camera: Camera, frame: Frame
    ) -> None:
        """Write the CameraInfo of a picture taken with `camera`."""
        roi = self._message('RegionOfInterest', x_offset=0, y_offset=0, height=0, width=0,
                            do_rectify=False)  # fmt: skip
        message = self._message(
            'CameraInfo',
            header=self._header(frame),
            binning_x=0,
            binning_y=0,
            roi=roi,
            **calibration.published(camera),
        )
        self._write(topic, 'sensor_msgs/msg/CameraInfo', message, frame.logged_ns)

    def latched_text(self, topic: str, text: str, frame: Frame) -> None:
        """Write std_msgs/String at the time of `frame`; a player keeps it for late subscribers."""
        kind = 'std_msgs/msg/String'
        message = self._types.types[kind](data=text)
        self.announce(topic, kind, offer(1, reliable=True, latched=True))
        self._write(topic, kind, message, frame.logged_ns)

    def announce(self, topic: str, kind: str, *qos: Qos) -> None:
        """Begin a topic of messages of type `kind`; nothing where it has begun.

        Raises:
            UnknownTypeError: the type is not known.
        """
        if topic in self._connections:
            return
        if kind not in self._types.fielddefs:
            raise UnknownTypeError(f'{topic} cannot be written: unknown type {kind}')
        with self._told():
            self._connections[topic] = self._writer.add_connection(
                topic, kind, typestore=self._types, offered_qos_profiles=qos
            )
        self.counts[topic] = 0

    def write(self, topic: str, data: bytes | memoryview, logged_ns: int) -> None:
        """Write a message of an announced topic as it came, and spend no time on a digest."""
        with self._told():
            self._writer.write(self._connections[topic], logged_ns, data)
            if isinstance(self._writer.storage, Sqlite3Writer) and self._is_due():
                self._writer.storage.conn.commit()  # rosbags itself keeps all or nothing
        self.counts[topic] += 1

    def _is_due(self) -> bool:
        return sum(self.counts.values()) % _TOGETHER == 0

    def _write(self, topic: str, kind: str, message: Any, logged_ns: int) -> None:
        self.announce(topic, kind)
        data = self._types.serialize_cdr(message, kind)
        self.write(topic, data, logged_ns)
        self._digest.update(f'{topic} {logged_ns} {len(data)} '.encode())
        self._digest.update(data)

    def _header(self, frame: Frame) -> Any:
        sec, nanosec = divmod(frame.stamp_ns, 1_000_000_000)
        time = self._types.types['builtin_interfaces/msg/Time'](sec=sec, nanosec=nanosec)
        kind = self._types.types['std_msgs/msg/Header']
        return kind(stamp=time, frame_id=frame.frame_id)

    def _message(self, name: str, **fields: Any) -> Any:
        # Fields by name: distributions order them differently (K against k is only ROS 1).
        return self._types.types[f'sensor_msgs/msg/{name}'](**fields)


def write_bag(
    path: Path,
    frames: Iterable[Frame],
    *,
    topic: str = '/camera/image_raw',
    storage: str = 'mcap',
    compressed: bool = False,
) -> BagWriter:
    """Write frames as a camera would have been recorded: pictures with CameraInfo beside them.

    All of them or no bag: half a bag would be in the way of the next try.

    Returns:
        The closed writer, for its counts and digest.
    """
    bag = BagWriter(path, storage)
    try:
        with bag:
            _fill(bag, frames, topic, compressed)
    except BaseException:
        shutil.rmtree(path)
        raise
    return bag


def _fill(bag: BagWriter, frames: Iterable[Frame], topic: str, compressed: bool) -> None:
    info_topic = topic.rsplit('/', 1)[0] + '/camera_info'
    for frame in frames:
        if frame.calibration is not None:
            bag.camera_info(info_topic, frame.calibration, frame.calibration.camera, frame)
        if compressed:
            bag.jpeg(f'{topic}/compressed', frame.rgb, frame)
        else:
            bag.image(topic, frame.rgb, 'rgb8', frame)
