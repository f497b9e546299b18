"""A drive to replay: any bag, video or folder of pictures, as a bag with an image topic."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from rosbags.interfaces import Connection

from sds_perception.offline.bag_source import (
    COMPRESSED,
    IMAGE,
    alike,
    info_topic,
    messages_on,
    open_bag,
)
from sds_perception.offline.bag_writer import write_bag
from sds_perception.offline.camera_choice import CameraChoice
from sds_perception.offline.frames import OfflineError, without_holes
from sds_perception.offline.pictures import open_pictures
from sds_perception.offline.sinks import BAG_PREFIX
from sds_perception.offline.sources import is_bag

TOPIC = '/drive/image'
TRUTH = ('labels', 'depth')  # last part of a topic that holds truth rather than a camera's view


@dataclass(frozen=True)
class Drive:
    """A bag, the topics of one camera in it, and those of its truth where it has any."""

    bag: Path
    picture_topic: str  # where its pictures are in the bag
    info_topic: str | None  # None: its CameraInfo is not in the bag
    compressed: bool
    frames: int
    truth_topics: tuple[str, ...] = ()  # labels, depth; both or none
    note: str = ''  # what a reader of the results has to know

    @property
    def image_topic(self) -> str:
        """What a node has to be told to look at."""
        return self.picture_topic.removesuffix('/compressed')

    @property
    def camera_topics(self) -> tuple[str, ...]:
        """What of the bag has to be played."""
        return (self.picture_topic, self.info_topic) if self.info_topic else (self.picture_topic,)


def as_drive(given: Path, scratch: Path, camera: str = '60') -> Drive:
    """What `given` (bag, video or folder of pictures) shows.

    Pictures and videos are written into the bag `scratch` with `camera`, a calibration file or
    a horizontal field of view in degrees.

    Raises:
        OfflineError: there is nothing to be seen.
    """
    if not given.exists():
        raise OfflineError(f'{given} does not exist')
    if is_bag(given):
        return drive_in(given)
    source = open_pictures(given, CameraChoice(camera))
    shutil.rmtree(scratch, ignore_errors=True)
    write_bag(scratch, without_holes(source), topic=TOPIC)
    return replace(drive_in(scratch), note=source.note)


def drive_in(bag: Path) -> Drive:
    """The first camera of a bag: a picture topic that is not truth, with its CameraInfo."""
    with open_bag(bag) as reader:
        pictures = [each for each in reader.connections if _is_picture(each)]
        truth = {_last(each): each.topic for each in pictures if _last(each) in TRUTH}
        cameras = [each for each in pictures if _last(each) not in TRUTH and each.msgcount]
        if not cameras:
            raise OfflineError(f'{bag} holds no Image or CompressedImage')
        camera = cameras[0]
        info = info_topic(reader.connections, camera.topic)
        frames = messages_on(alike(reader, camera))
    note = '' if info else f'{bag.name} has no CameraInfo of {camera.topic}: no cloud, no metres'
    known = tuple(truth[name] for name in TRUTH) if len(truth) == len(TRUTH) else ()
    return Drive(
        bag,
        camera.topic,
        info.topic if info else None,
        compressed=camera.msgtype == COMPRESSED,
        frames=frames,
        truth_topics=known,
        note=note,
    )


def _is_picture(connection: Connection) -> bool:
    """Whether it shows what a camera saw, or the truth of it; what a node saw is neither."""
    own = connection.topic.startswith(f'{BAG_PREFIX}/')
    return connection.msgtype in (IMAGE, COMPRESSED) and not own


def _last(connection: Connection) -> str:
    return connection.topic.rsplit('/', 1)[-1]
