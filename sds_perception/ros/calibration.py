"""CameraInfo to cameras and back: sizes, binning, regions, rectification, scaled output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from sds_perception.camera import Camera, CameraError
from sds_perception.rectification import Rectifier


@dataclass(frozen=True)
class Calibration:
    """What a CameraInfo means for pictures of one size."""

    info: CameraInfo  # as the camera sent it
    camera: Camera  # of the picture the network sees
    rectifier: Rectifier | None  # None where the picture is taken as it comes

    def published(self, camera: Camera, header: Header) -> CameraInfo:
        """The CameraInfo of an output with the intrinsics `camera`, whatever its size."""
        info = CameraInfo(header=header, width=camera.width, height=camera.height)
        info.distortion_model = self.info.distortion_model
        info.k = camera.matrix.ravel()
        info.p = _projection(self.info, camera.width, camera.height).ravel()
        if self.rectifier is None:
            info.d, info.r = self.info.d, self.info.r
        else:
            info.d, info.r = [0.0] * len(self.info.d), np.eye(3).ravel()
        return info


class CalibrationReader:
    """Understands the CameraInfo of one camera; keeps the lens maps while it stays the same."""

    def __init__(self, *, rectify: bool) -> None:
        self._rectify = rectify
        self._known: tuple[tuple[object, ...], Calibration] | None = None

    def read(self, info: CameraInfo, width: int, height: int) -> Calibration:
        """What `info` means for a picture of `width` x `height`.

        Raises:
            CameraError: in one sentence, when `info` is uncalibrated, of another size, or of an
                unknown lens.
        """
        key = _key(info, width, height)
        if self._known is None or self._known[0] != key:
            self._known = key, self._understood(info, width, height)
        return self._known[1]

    def _understood(self, info: CameraInfo, width: int, height: int) -> Calibration:
        camera = camera_from_info(info, width, height)
        if not self._rectify:
            return Calibration(info, camera, None)
        rectifier = Rectifier(
            camera.matrix,
            info.d,
            info.r,
            _projection(info, width, height),
            info.distortion_model,
            (width, height),
        )
        return Calibration(info, rectifier.camera, rectifier)


def camera_from_info(info: CameraInfo, width: int, height: int) -> Camera:
    """The camera of a picture of this size; binning and region of interest are honoured.

    Raises:
        CameraError: in one sentence, when `info` is uncalibrated or of another size.
    """
    camera = _in_region(Camera.from_matrix(info.k, info.width, info.height), info)
    binned = camera.width // max(info.binning_x, 1), camera.height // max(info.binning_y, 1)
    if binned != (width, height):
        raise CameraError(
            f'camera_info is for {binned[0]}x{binned[1]}, the image is {width}x{height}'
        )
    return camera.resized(width, height)


def _in_region(camera: Camera, info: CameraInfo) -> Camera:
    """The camera of the region of interest; a region without a size is the whole picture."""
    roi = info.roi
    if not (roi.width and roi.height):
        return camera
    return camera.cropped(roi.x_offset, roi.y_offset, roi.width, roi.height)


def _projection(info: CameraInfo, width: int, height: int) -> NDArray[np.float64]:
    """(3, 4) P of `info` for a picture of this size; K where the camera gives none."""
    projection = np.array(info.p, np.float64).reshape(3, 4)
    if not projection[0, 0] > 0:
        projection = np.hstack([np.array(info.k, np.float64).reshape(3, 3), np.zeros((3, 1))])
    region = _in_region(Camera.from_matrix(projection[:, :3], info.width, info.height), info)
    projection[:, :3] = region.resized(width, height).matrix
    projection[0, 3] *= width / region.width  # focal length times baseline, in pixels
    projection[1, 3] *= height / region.height
    return projection


def _key(info: CameraInfo, width: int, height: int) -> tuple[object, ...]:
    """Equal exactly when the calibration is the same; stamps do not count."""
    roi = info.roi
    numbers = (*info.k, *info.d, *info.r, *info.p)
    sizes = (info.width, info.height, info.binning_x, info.binning_y, width, height)
    region = (roi.x_offset, roi.y_offset, roi.width, roi.height)
    return (info.distortion_model, numbers, sizes, region)
