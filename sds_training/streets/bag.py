"""Drives as a ROS 2 bag: what a camera would have recorded, and the truth beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from sds_perception.calibration import pinhole
from sds_perception.labels import TRAIN_ID_FROM_LABEL_ID
from sds_perception.offline.bag_writer import BagWriter
from sds_perception.offline.frames import Frame as Recorded
from sds_perception.offline.frames import OfflineError
from sds_training.streets.drive import Drive, Frame
from sds_training.streets.files import frame_name
from sds_training.streets.motion import RATE_HZ

FRAME_ID = 'camera_optical_frame'
IMAGE, INFO = '/camera/image_raw', '/camera/camera_info'
TRUE_LABELS, TRUE_DEPTH = '/truth/labels', '/truth/depth'
_PAUSE_NS = 2_000_000_000  # between drives


class DriveBag:
    """Writes drives one behind the other; use as a context, close is the bag's end."""

    def __init__(self, path: Path, storage: str = 'mcap', compressed: bool = False) -> None:
        self._path, self._bag = path, BagWriter(path, storage)
        self._compressed = compressed
        self._drive: Drive | None = None
        self._start_ns = self._last_ns = 0

    def __enter__(self) -> DriveBag:
        self._bag.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *fault: object) -> None:
        try:
            self._bag.__exit__(kind, *fault)
        except OfflineError as problem:
            kind = type(problem)
            raise
        finally:
            if kind is not None:  # half a bag would be in the way of the next try
                shutil.rmtree(self._path)

    def add(self, drive: Drive, number: int, frame: Frame) -> None:
        """Write frame `number`: picture, CameraInfo, train ids (mono8), metres (32FC1)."""
        if drive is not self._drive:
            self._drive, self._start_ns = drive, self._last_ns + _PAUSE_NS
        self._last_ns = self._start_ns + round(number * 1e9 / RATE_HZ)
        calibration = pinhole(drive.sensor.camera)
        recorded = Recorded(frame_name(drive, number), frame.image, self._last_ns, self._last_ns,
                            FRAME_ID, calibration)  # fmt: skip
        self._bag.camera_info(INFO, calibration, calibration.camera, recorded)
        if self._compressed:
            self._bag.jpeg(IMAGE + '/compressed', frame.image, recorded)
        else:
            self._bag.image(IMAGE, frame.image, 'rgb8', recorded)
        labels = TRAIN_ID_FROM_LABEL_ID[frame.label_ids]
        self._bag.image(TRUE_LABELS, labels, 'mono8', recorded)
        self._bag.image(TRUE_DEPTH, frame.depth_m.astype(np.float32), '32FC1', recorded)
