"""A drive to replay: any bag, video or folder of pictures, as a bag with an image topic."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import serialize_message
from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from sds_perception.camera import Camera
from sds_perception.ros.bag_topics import BagError
from sds_perception.ros.messages import ImageWriter
from sds_perception.ros.replay import PICTURES, open_bag

PICTURE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp')
FOLDER_RATE_HZ = 10.0
IMAGE_TOPIC, INFO_TOPIC = '/drive/image', '/drive/camera_info'
TRUTH = ('labels', 'depth')  # last part of a topic that holds truth rather than a camera's view


@dataclass(frozen=True)
class Drive:
    """A bag, the topics of one camera in it, and those of its truth where it has any."""

    bag: Path
    image_topic: str
    info_topic: str
    compressed: bool
    frames: int
    truth_topics: tuple[str, ...] = ()  # labels, depth; both or none
    note: str = ''  # what a reader of the results has to know


class Moving(NamedTuple):
    """Pictures to come, RGB, and their rate."""

    pictures: Iterator[NDArray[np.uint8]]
    rate_hz: float


def as_drive(given: Path, scratch: Path) -> Drive:
    """What `given` (bag, video or folder of pictures) shows; BagError where it shows nothing."""
    if not given.exists():
        raise BagError(f'{given} does not exist')
    if (given / 'metadata.yaml').exists() or given.suffix in ('.mcap', '.db3'):
        return drive_in(given)
    moving = _folder(given) if given.is_dir() else _video(given)
    shutil.rmtree(scratch, ignore_errors=True)
    size = write_drive(scratch, moving)
    note = f'no calibration came with {given.name}: a camera of 60 degrees is assumed for {size}'
    drive = drive_in(scratch)
    return Drive(**{**vars(drive), 'note': note})


def drive_in(bag: Path) -> Drive:
    """The first camera of a bag: a picture topic that is not truth, with its CameraInfo."""
    with open_bag(bag) as reader:
        pictures = [each for each in reader.connections if each.msgtype in PICTURES]
        infos = [
            each.topic
            for each in reader.connections
            if each.msgtype == 'sensor_msgs/msg/CameraInfo'
        ]
        truth = {_last(each): each.topic for each in pictures if _last(each) in TRUTH}
        cameras = [each for each in pictures if _last(each) not in TRUTH and each.msgcount]
    if not cameras:
        raise BagError(f'{bag} holds no Image or CompressedImage')
    camera = cameras[0]
    compressed = camera.msgtype.endswith('CompressedImage')
    base = camera.topic.removesuffix('/compressed') if compressed else camera.topic
    beside = base.rsplit('/', 1)[0] + '/camera_info'
    info = beside if beside in infos else next(iter(infos), beside)
    note = '' if infos else f'{bag.name} has no CameraInfo: no cloud and no metres'
    known = tuple(truth[name] for name in TRUTH) if len(truth) == len(TRUTH) else ()
    return Drive(bag, base, info, compressed, camera.msgcount, known, note)


def write_drive(bag: Path, moving: Moving) -> str:
    """Write the pictures with a guessed camera into a new bag; their size as text."""
    types, size, writer = get_typestore(Stores.LATEST), '', ImageWriter()
    with Writer(bag, version=9, storage_plugin=StoragePlugin.MCAP) as out:
        images = out.add_connection(IMAGE_TOPIC, 'sensor_msgs/msg/Image', typestore=types)
        infos = out.add_connection(INFO_TOPIC, 'sensor_msgs/msg/CameraInfo', typestore=types)
        for number, rgb in enumerate(moving.pictures):
            stamp_ns = int((number + 1) / moving.rate_hz * 1e9)
            header = Header(frame_id='camera_optical')
            header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
            info = camera_info(Camera.guess(rgb.shape[1], rgb.shape[0]), header)
            out.write(infos, stamp_ns, serialize_message(info))
            out.write(images, stamp_ns, serialize_message(writer.fill(rgb, 'rgb8', header)))
            size = f'{rgb.shape[1]}x{rgb.shape[0]}'
    if not size:
        raise BagError('no picture could be read')
    return size


def camera_info(camera: Camera, header: Header) -> CameraInfo:
    """The CameraInfo of an ideal pinhole."""
    info = CameraInfo(header=header, height=camera.height, width=camera.width)
    info.distortion_model, info.d = 'plumb_bob', [0.0] * 5
    info.k, info.r = camera.matrix.reshape(-1), np.eye(3).reshape(-1)
    info.p = np.hstack((camera.matrix, np.zeros((3, 1)))).reshape(-1)
    return info


def _folder(folder: Path) -> Moving:
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in PICTURE_SUFFIXES)
    if not files:
        raise BagError(f'{folder} holds no pictures ({", ".join(PICTURE_SUFFIXES)})')
    return Moving((_read(file) for file in files), FOLDER_RATE_HZ)


def _read(file: Path) -> NDArray[np.uint8]:
    bgr = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if bgr is None:
        raise BagError(f'{file} is not a picture OpenCV can read')
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def _video(file: Path) -> Moving:
    capture = cv2.VideoCapture(str(file))
    if not capture.isOpened():
        raise BagError(f'{file} is neither a bag nor a video OpenCV can read')

    def pictures() -> Iterator[NDArray[np.uint8]]:
        while True:
            there, bgr = capture.read()
            if not there:
                return
            yield cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)

    return Moving(pictures(), capture.get(cv2.CAP_PROP_FPS) or FOLDER_RATE_HZ)


def _last(connection: Connection) -> str:
    return connection.topic.rsplit('/', 1)[-1]
