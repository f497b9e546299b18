"""The camera of pictures that do not bring one: a calibration file, or a field of view."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sds_perception.camera import Camera, CameraError
from sds_perception.offline.frames import OfflineError

Unsized = tuple[float, float, float, float]  # fx, fy, cx, cy of the pictures as they are


class CameraChoice:
    """Intrinsics from a file or from an angle, fitted to pictures of any size.

    A file is Cityscapes' camera JSON (`intrinsic: {fx, fy, u0, v0}`) or what ROS camera drivers
    load (`image_width`, `image_height`, `camera_matrix: {data}`; the rectified
    `projection_matrix` wins where there is one). Cityscapes' file has no size and then means the
    pictures as they are.
    """

    def __init__(self, text: str) -> None:
        self._fov_deg = _angle(text)
        self._found = _read(Path(text)) if self._fov_deg is None else None
        self.note = f'a camera of {text} degrees is assumed' if self._fov_deg else ''

    def __call__(self, width: int, height: int) -> Camera:
        """The camera of a `width` x `height` picture.

        Raises:
            CameraError: the file is for pictures of another shape.
        """
        if self._found is None:
            return Camera.guess(width, height, self._fov_deg)
        if isinstance(self._found, tuple):
            return Camera(*self._found, width, height)
        camera = self._found
        if abs(camera.width * height - camera.height * width) > max(camera.width, camera.height):
            raise CameraError(
                f'the camera file is for {camera.width}x{camera.height}, '
                f'the picture is {width}x{height}, which is another shape'
            )
        return camera.resized(width, height)


def _angle(text: str) -> float | None:
    try:
        degrees = float(text)
    except ValueError:
        return None
    if not 1.0 <= degrees <= 170.0:
        raise OfflineError(f'a field of view lies in [1, 170] degrees, got {text}')
    return degrees


def _read(path: Path) -> Camera | Unsized:
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


def _of_driver(fields: dict[str, Any]) -> Camera:
    size = int(fields['image_width']), int(fields['image_height'])
    if 'projection_matrix' in fields:
        rows = fields['projection_matrix']['data']
        return Camera.from_matrix(rows[0:3] + rows[4:7] + rows[8:11], *size)
    return Camera.from_matrix(fields['camera_matrix']['data'], *size)
