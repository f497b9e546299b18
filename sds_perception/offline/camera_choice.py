"""The camera of pictures that do not bring one: a calibration file, or a field of view."""

from __future__ import annotations

from pathlib import Path

from sds_perception.calibration import INTERPRETATIONS, Calibration, lens_note, pinhole
from sds_perception.camera import Camera, CameraError
from sds_perception.offline.camera_file import CameraFields, read_camera_file
from sds_perception.offline.frames import OfflineError


class CameraChoice:
    """A calibration from a file or from an angle, fitted to pictures of any size.

    A file is what ROS camera drivers load (`image_width`, `image_height`, `camera_matrix: {data}`
    and the lens) and is read as their CameraInfo would be; or it is Cityscapes' camera JSON
    (`intrinsic: {fx, fy, u0, v0}`), which has neither size nor lens and means the pictures as
    they are.

    Args:
        text: name of the file, or degrees from the left edge to the right one.
        lens: 'raw', 'rectify' or 'rectified', as the node has it.

    Raises:
        OfflineError: no such angle, no such file, no camera in it, or no lens to take out.
    """

    def __init__(self, text: str, lens: str = 'raw') -> None:
        self._fov_deg = _angle(text)
        self._file = read_camera_file(Path(text)) if self._fov_deg is None else None
        self._interpret = INTERPRETATIONS[lens]
        self._last: Calibration | None = None  # lens maps take long to compute
        self.note = f'a camera of {text} degrees is assumed' if self._fov_deg else ''
        if isinstance(self._file, CameraFields):
            self.note = lens_note(self._file, lens)
            self._check(self._file, text)
        elif lens == 'rectify':
            raise OfflineError(f"--lens rectify needs a ROS driver's file, and {text} has no lens")

    def __call__(self, width: int, height: int) -> Calibration:
        """The calibration of a `width` x `height` picture.

        Raises:
            CameraError: the file is for pictures of another shape.
        """
        known = self._last
        if known is None or (known.camera.width, known.camera.height) != (width, height):
            self._last = known = self._calibration(width, height)
        return known

    def _calibration(self, width: int, height: int) -> Calibration:
        if isinstance(self._file, CameraFields):
            return self._interpret(self._file.resized(width, height), width, height)
        if isinstance(self._file, tuple):
            return pinhole(Camera(*self._file, width, height))
        return pinhole(Camera.guess(width, height, self._fov_deg))

    def _check(self, file: CameraFields, name: str) -> None:
        """Before the first picture: what the lens is to be read from has to be there."""
        try:
            self(file.width, file.height)
        except CameraError as problem:
            raise OfflineError(f'camera file {name} cannot be used: {problem}') from problem


def _angle(text: str) -> float | None:
    try:
        degrees = float(text)
    except ValueError:
        return None
    if not 1.0 <= degrees <= 170.0:
        raise OfflineError(f'a field of view lies in [1, 170] degrees, got {text}')
    return degrees
