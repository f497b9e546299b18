"""What a sensor_msgs/CameraInfo means for a picture, and what it becomes for an output.

Takes any object with the fields of CameraInfo (rclpy's, or one read from a bag) and gives fields
back, so that the node and the offline tool cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sds_perception.camera import Camera, CameraError, resizing
from sds_perception.rectification import FISHEYE, Rectifier


class Region(Protocol):
    """The fields of sensor_msgs/RegionOfInterest that move the picture."""

    x_offset: int
    y_offset: int
    width: int
    height: int


class InfoFields(Protocol):
    """The fields of sensor_msgs/CameraInfo."""

    width: int
    height: int
    distortion_model: str
    d: ArrayLike
    k: ArrayLike
    r: ArrayLike
    p: ArrayLike
    binning_x: int
    binning_y: int
    roi: Region


@dataclass(frozen=True)
class Calibration:
    """A lens and the pinhole the network sees through it."""

    camera: Camera  # of the picture the network sees
    distortion_model: str
    d: NDArray[np.float64]  # what distortion is left in that picture
    r: NDArray[np.float64]  # (9,)
    p: NDArray[np.float64]  # (3, 4) at the camera's size, with the stereo baseline in it
    rectifier: Rectifier | None = None  # None where the picture is taken as it comes

    def seen(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, 3) `rgb` as the network sees it: without the lens where that is taken out."""
        return self.rectifier(rgb) if self.rectifier else rgb

    def outside(self, size: tuple[int, int]) -> NDArray[np.bool_] | None:
        """Where a scene of `size` (H, W) shows what no ray of the lens reaches; None: nowhere."""
        return self.rectifier.outside_at(size) if self.rectifier else None

    def published(self, camera: Camera) -> dict[str, Any]:
        """The fields of the CameraInfo of an output with the intrinsics `camera`."""
        return {
            'width': camera.width,
            'height': camera.height,
            'distortion_model': self.distortion_model,
            'd': self.d,
            'k': camera.matrix.reshape(-1),
            'r': self.r,
            'p': _resized(self.p, self.camera, camera).reshape(-1),
        }


def _numbers_of(info: Any) -> tuple[object, ...]:
    """Everything of `info` but its header; equal exactly when the calibration is."""
    roi = info.roi
    lens = (info.distortion_model, *info.k, *info.d, *info.r, *info.p)
    sizes = (info.width, info.height, info.binning_x, info.binning_y)
    return (*lens, *sizes, roi.x_offset, roi.y_offset, roi.width, roi.height)


def bends(info: InfoFields) -> bool:
    """Whether the lens of `info` shows straight things bent."""
    return info.distortion_model in FISHEYE or bool(np.any(info.d))


def lens_note(info: InfoFields, lens: str) -> str:
    """What a reader has to know of a lens that stays in the pictures; '' where nothing bends."""
    if lens != 'raw' or not bends(info):
        return ''
    return (
        'the lens bends and is left in the pictures: metres are off at the sides '
        '(lens rectify takes it out, rectified is for image_rect)'
    )


def pinhole(camera: Camera) -> Calibration:
    """The calibration of a camera without lens errors."""
    p = np.hstack((camera.matrix, np.zeros((3, 1))))
    return Calibration(camera, 'plumb_bob', np.zeros(5), np.eye(3).reshape(-1), p)


def calibration_from_info(
    info: InfoFields, width: int, height: int, *, rectify: bool = False
) -> Calibration:
    """What `info` means for a picture of `width` x `height`; computes maps if it is to rectify.

    Raises:
        CameraError: `info` is uncalibrated or of another size; to rectify, of an unknown lens.
    """
    camera = camera_from_info(info, width, height)
    p = _projection(info, camera)
    d, r = np.asarray(info.d, np.float64), np.asarray(info.r, np.float64).reshape(-1)
    if not rectify:
        return Calibration(camera, info.distortion_model, d, r, p)
    rectifier = Rectifier(camera.matrix, d, r, p, info.distortion_model, (width, height))
    # Not under the lens's own model: in a fisheye's even zeros bend the rays.
    return replace(pinhole(rectifier.camera), p=p, rectifier=rectifier)


def camera_from_info(info: InfoFields, width: int, height: int) -> Camera:
    """The camera of a picture of this size; binning and region of interest are honoured.

    Raises:
        CameraError: `info` is uncalibrated or of another size.
    """
    return _fitted(Camera.from_matrix(info.k, info.width, info.height), info, width, height)


def calibration_of_rectified(info: InfoFields, width: int, height: int) -> Calibration:
    """What `info` means for a picture that comes rectified, as image_rect: P, and no lens.

    Raises:
        CameraError: P is not filled in, or of another size.
    """
    p = np.array(info.p, np.float64).reshape(3, 4)
    if not p[0, 0] > 0:
        raise CameraError(
            f'P[0] of camera_info is {p[0, 0]:g}, wanted the focal length of the rectified picture'
        )
    whole = Camera.from_matrix(p[:, :3], info.width, info.height)
    camera = _fitted(whole, info, width, height)
    return replace(pinhole(camera), p=_projection(info, camera))


# How pictures come: through the lens; to be taken out of it here; out of it already (image_rect).
INTERPRETATIONS: dict[str, Callable[[InfoFields, int, int], Calibration]] = {
    'raw': calibration_from_info,
    'rectify': partial(calibration_from_info, rectify=True),
    'rectified': calibration_of_rectified,
}


class CalibrationReader:
    """Reads the CameraInfo of one camera; keeps the lens maps, which take long to compute."""

    def __init__(self, lens: str) -> None:
        """`lens` is one of `INTERPRETATIONS`."""
        self._interpret = INTERPRETATIONS[lens]
        self._known: tuple[tuple[object, ...], Calibration] | None = None

    def read(self, info: InfoFields, width: int, height: int) -> Calibration:
        """What `info` means for a picture of `width` x `height`, remembered while it stays so.

        Raises:
            CameraError: in one sentence, when `info` is uncalibrated or of another size; to
                rectify, when it is of an unknown lens.
        """
        key = (_numbers_of(info), width, height)
        if self._known is None or self._known[0] != key:
            self._known = key, self._interpret(info, width, height)
        return self._known[1]


def _fitted(whole: Camera, info: InfoFields, width: int, height: int) -> Camera:
    """The camera of the picture that region and binning leave of the `whole`."""
    camera = _in_region(whole, info.roi)
    binned = camera.width // max(info.binning_x, 1), camera.height // max(info.binning_y, 1)
    if binned != (width, height):
        raise CameraError(
            f'camera_info is for {binned[0]}x{binned[1]}, the image is {width}x{height}'
        )
    return camera.resized(width, height)


def _in_region(camera: Camera, roi: Region) -> Camera:
    """The camera of the region of interest; a region without a size is the whole picture."""
    if not (roi.width and roi.height):
        return camera
    return camera.cropped(roi.x_offset, roi.y_offset, roi.width, roi.height)


def _projection(info: InfoFields, camera: Camera) -> NDArray[np.float64]:
    """(3, 4) P of `info` at the size of `camera`; K where the driver filled none in."""
    p = np.array(info.p, np.float64).reshape(3, 4)
    if not p[0, 0] > 0:
        p = np.hstack((np.array(info.k, np.float64).reshape(3, 3), np.zeros((3, 1))))
    region = _in_region(Camera.from_matrix(p[:, :3], info.width, info.height), info.roi)
    p[:, :3] = region.matrix
    return _resized(p, region, camera)


def _resized(p: NDArray[np.float64], source: Camera, target: Camera) -> NDArray[np.float64]:
    """(3, 4) projection of a picture as large as `source`, at the size of `target`."""
    return resizing((source.width, source.height), (target.width, target.height)) @ p
