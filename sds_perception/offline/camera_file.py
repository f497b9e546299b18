"""Calibration files: what ROS camera drivers load, and Cityscapes' camera JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sds_perception.calibration import Region
from sds_perception.camera import Camera, CameraError, resizing
from sds_perception.offline.frames import OfflineError

Unsized = tuple[float, float, float, float]  # fx, fy, cx, cy of the pictures as they are


@dataclass
class WholePicture:
    """A region of interest of CameraInfo that leaves nothing out."""

    x_offset: int = 0
    y_offset: int = 0
    width: int = 0
    height: int = 0


@dataclass
class CameraFields:
    """A driver's file as the CameraInfo the driver would publish; what it leaves out is 0."""

    width: int
    height: int
    k: ArrayLike  # (9,)
    distortion_model: str = ''
    d: ArrayLike = ()
    r: ArrayLike = (0.0,) * 9
    p: ArrayLike = (0.0,) * 12
    binning_x: int = 0
    binning_y: int = 0
    roi: Region = field(default_factory=WholePicture)

    def resized(self, width: int, height: int) -> CameraFields:
        """The same lens before pictures of another size.

        Raises:
            CameraError: they are of another shape.
        """
        if abs(self.width * height - self.height * width) > max(self.width, self.height):
            raise CameraError(
                f'the camera file is for {self.width}x{self.height}, '
                f'the picture is {width}x{height}, which is another shape'
            )
        move = resizing((self.width, self.height), (width, height))
        k, p = np.reshape(self.k, (3, 3)), np.reshape(self.p, (3, 4))
        return replace(
            self, width=width, height=height, k=(move @ k).ravel(), p=(move @ p).ravel()
        )


def read_camera_file(path: Path) -> CameraFields | Unsized:
    """What the file says.

    Raises:
        OfflineError: there is no such file, or no camera in it.
    """
    try:
        text = path.read_text()
        fields = json.loads(text) if path.suffix == '.json' else _of_yaml(text)
    except (OSError, ValueError, ImportError) as problem:
        detail = str(problem).splitlines()[0]
        raise OfflineError(f'camera file {path} cannot be read: {detail}') from problem
    if not isinstance(fields, dict) or not {'intrinsic', 'camera_matrix'} & fields.keys():
        raise OfflineError(f"camera file {path} has neither 'intrinsic' nor 'camera_matrix'")
    try:
        return _of_cityscapes(fields) if 'intrinsic' in fields else _of_driver(fields)
    except (KeyError, TypeError, ValueError) as problem:
        raise OfflineError(f'camera file {path} is incomplete: {problem}') from problem


def _of_yaml(text: str) -> Any:
    from ruamel.yaml import YAML, YAMLError  # comes with rosbags, which pictures do not need

    try:
        return YAML(typ='safe').load(text)
    except YAMLError as problem:
        raise ValueError(str(problem)) from problem


def _of_cityscapes(fields: dict[str, Any]) -> Unsized:
    fx, fy, u0, v0 = (float(fields['intrinsic'][name]) for name in ('fx', 'fy', 'u0', 'v0'))
    Camera(fx, fy, u0, v0, 1, 1)  # refuses what cannot be a camera
    return fx, fy, u0, v0


def _of_driver(fields: dict[str, Any]) -> CameraFields:
    names = {'d': 'distortion_coefficients', 'r': 'rectification_matrix', 'p': 'projection_matrix'}
    given = {short: _numbers(fields, name) for short, name in names.items() if name in fields}
    lengths = {'r': 9, 'p': 12}
    for short, numbers in given.items():
        if len(numbers) != lengths.get(short, len(numbers)):
            raise ValueError(f'{names[short]} has {len(numbers)} numbers, not {lengths[short]}')
    width, height = int(fields['image_width']), int(fields['image_height'])
    k = _numbers(fields, 'camera_matrix')
    Camera.from_matrix(k, width, height)  # refuses what cannot be a camera
    return CameraFields(width, height, k, str(fields.get('distortion_model', '')), **given)


def _numbers(fields: dict[str, Any], name: str) -> tuple[float, ...]:
    given = fields[name]
    if not isinstance(given, dict) or not isinstance(given.get('data'), list):
        raise ValueError(f"{name} is {given}, wanted its numbers as 'data: [...]' in it")
    return tuple(float(each) for each in given['data'])
