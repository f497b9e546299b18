"""Reads single files: pictures, labels, cameras, speeds and depth truth, or says what is wrong."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from sds_perception.camera import Camera, CameraError
from sds_perception.image_codec import BrokenImage, rgb_from_file
from sds_perception.labels import CLASSES, TRAIN_ID_FROM_LABEL_ID
from sds_training.data.cityscapes import DataError
from sds_training.data.odometry import Mounting, VehicleState

HIGHEST_LABEL_ID = max(each.label_id for each in CLASSES)
EXTRINSIC = ('baseline', 'x', 'y', 'z', 'yaw', 'pitch', 'roll')  # what is read of a camera's place


class FileError(DataError):
    """A file that is not what its name says; the message begins with the file."""


class StereoCamera(NamedTuple):
    """The numbers of a Cityscapes camera file; the picture's size is not among them."""

    fx: float
    fy: float
    u0: float
    v0: float
    baseline_m: float  # NaN where the file has none
    mounting: Mounting = Mounting()

    def at(self, width: int, height: int) -> Camera:
        """The camera of the picture as it was recorded, `width` x `height` pixels."""
        return Camera(self.fx, self.fy, self.u0, self.v0, width, height)


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Read a picture as (H, W, 3) RGB, as the sensor saw it: no EXIF turns it."""
    try:
        return rgb_from_file(path.read_bytes())
    except (BrokenImage, OSError) as problem:
        raise FileError(
            f'{path} cannot be read as a picture; is the file cut short? ({problem})'
        ) from problem


def read_label(path: Path) -> NDArray[np.uint8]:
    """Read a labelIds file as (H, W) train ids; other label types are refused."""
    return TRAIN_ID_FROM_LABEL_ID[read_label_ids(path)]


def read_label_ids(path: Path) -> NDArray[np.uint8]:
    """Read a labelIds file as it is, (H, W) label ids; other label types are refused."""
    ids = _unchanged(path)
    if ids is None:
        raise FileError(f'{path} cannot be read as a label picture; is the file cut short?')
    problem = wrong_label_type(ids)
    if problem:
        raise FileError(f'{path} {problem}')
    return ids


def wrong_label_type(ids: NDArray) -> str | None:
    """Why an array read from a label file cannot be label ids; None if it can."""
    if ids.ndim != 2:
        return (
            f'has {ids.shape[2]} channels, like a *_color.png or one with a palette; label ids '
            'have one'
        )
    if ids.dtype != np.uint8:
        return f'is {ids.dtype}, like *_instanceIds.png; label ids are uint8'
    highest = int(ids.max(initial=0))
    if highest == 255:
        return 'holds 255, like *_labelTrainIds.png; label ids end at 33'
    if highest > HIGHEST_LABEL_ID:
        return f'holds {highest}; label ids end at 33'
    return None


@cache
def read_camera(path: Path) -> StereoCamera:
    """Read a Cityscapes camera file."""
    numbers = _read_json(path)
    try:
        intrinsic = numbers['intrinsic']
        fx, fy, u0, v0 = (_finite(key, intrinsic[key]) for key in ('fx', 'fy', 'u0', 'v0'))
        extrinsic = numbers.get('extrinsic', {})
        if not isinstance(extrinsic, dict):
            raise TypeError(f'extrinsic is {extrinsic!r}, wanted a map')
        told = {n: _finite(n, each) for n, each in extrinsic.items() if n in EXTRINSIC}
        place = (told.get(key, 0.0) for key in ('x', 'y', 'yaw', 'pitch', 'roll'))
        baseline_m = told.get('baseline', math.nan)
        mounting = Mounting(*place, z_m=told.get('z', math.nan))
        camera = StereoCamera(fx, fy, u0, v0, baseline_m, mounting)
        camera.at(1, 1)
    except (AttributeError, KeyError, TypeError, ValueError, CameraError) as problem:
        raise _not_a(path, 'Cityscapes camera file', problem) from problem
    return camera


def recorded_camera(path: Path, width: int, height: int) -> Camera:
    """The camera of a recorded picture, `width` x `height` pixels, by its camera file.

    A file whose principal point lies outside is for pictures of another size: its focal length
    would be wrong by their ratio, and nothing else would show it.
    """
    camera = read_camera(path).at(width, height)
    if not (0 <= camera.cx < width and 0 <= camera.cy < height):
        raise FileError(
            f'{path} has its principal point at {camera.cx:g}, {camera.cy:g}, outside the '
            f'{width}x{height} picture; camera files are in pixels of the recorded picture'
        )
    return camera


@cache
def read_vehicle(path: Path) -> VehicleState:
    """Read speed and yaw rate of a Cityscapes vehicle file."""
    numbers = _read_json(path)
    try:
        return VehicleState(*(_finite(name, numbers[name]) for name in ('speed', 'yawRate')))
    except (KeyError, TypeError, ValueError) as problem:
        raise _not_a(path, 'Cityscapes vehicle file', problem) from problem


def read_disparity_depth_m(path: Path, camera: StereoCamera) -> NDArray[np.float32]:
    """Depth of a stereo disparity file in metres, (H, W) float32, NaN where there is none."""
    raw = _unchanged(path)
    if raw is None or raw.dtype != np.uint16 or raw.ndim != 2:
        raise FileError(f'{path} is not a 16-bit disparity picture')
    if not camera.baseline_m > 0:
        raise FileError(f'{path} needs the baseline, and its camera file has none')
    disparity_px = (raw.astype(np.float32) - 1.0) / 256.0
    disparity_px[disparity_px <= 0] = np.nan
    return np.float32(camera.fx * camera.baseline_m) / disparity_px


def read_depth_m(path: Path) -> NDArray[np.float32]:
    """Read exact depth in metres, (H, W) float32 from a .npy file, NaN where there is none."""
    try:
        with path.open('rb') as file:  # np.load would open an .npz under this name as well
            depth_m = np.lib.format.read_array(file, allow_pickle=False)
    except (EOFError, OSError, ValueError) as problem:
        raise FileError(
            f'{path} cannot be read as depth; is the file cut short? ({problem})'
        ) from problem
    if depth_m.ndim != 2 or depth_m.dtype.kind != 'f':
        raise FileError(f'{path} is {depth_m.dtype} of shape {depth_m.shape}, wanted float (H, W)')
    return np.where(np.isfinite(depth_m), depth_m, np.nan).astype(np.float32)


def _unchanged(path: Path) -> NDArray | None:
    """The pixels as they are in the file; None where it is no picture."""
    try:
        return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # such as a header that claims more pixels than OpenCV allows
        return None


def _not_a(path: Path, kind: str, problem: Exception) -> FileError:
    """What is said of a JSON file in which something is missing or wrong."""
    what = f'{problem} is missing' if isinstance(problem, KeyError) else str(problem)
    return FileError(f'{path} is not a {kind}: {what}')


def _finite(name: str, told: Any) -> float:
    """A number of a file: NaN, which Python's JSON knows, would reach the weights unseen."""
    value = float(told)
    if not math.isfinite(value):
        raise ValueError(f'{name} is {value}, wanted a finite number')
    return value


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as problem:
        raise FileError(f'{path} cannot be read as JSON: {problem}') from problem
