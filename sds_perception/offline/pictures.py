"""Frames from picture files and videos."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sds_perception.camera import CameraError
from sds_perception.image_codec import BrokenImage, rgb_from_file
from sds_perception.offline.camera_choice import CameraChoice
from sds_perception.offline.frames import Frame, OfflineError, Skipped

PICTURE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp', '.ppm', '.pgm')
NO_PICTURES = ('gtFine', 'gtCoarse', 'disparity', 'disparity_sequence')  # beside a camera's
FOLDER_RATE_HZ = 10.0  # where nobody says how fast the pictures were taken


def open_pictures(
    path: Path, choice: CameraChoice | None, rate_hz: float = FOLDER_RATE_HZ
) -> PictureFiles | Video:
    """A picture, a folder of them, taken at `rate_hz`, or a video, which has its own rate."""
    if path.is_dir() or path.suffix.lower() in PICTURE_SUFFIXES:
        return PictureFiles(path, choice, rate_hz)
    return Video(path, choice)


class PictureFiles:
    """One picture, or those of a folder and of the folders in it, by path: 2 before 10."""

    def __init__(
        self, path: Path, choice: CameraChoice | None, rate_hz: float = FOLDER_RATE_HZ
    ) -> None:
        self._files = _pictures_in(path) if path.is_dir() else [path]
        self._names = _unique_names(self._files, path if path.is_dir() else path.parent)
        self._choice, self._rate_hz = choice, rate_hz
        self.count, self.note = len(self._files), choice.note if choice else ''
        self.has_camera = choice is not None

    def frames(self) -> Iterator[Frame | Skipped]:
        """Every file once, stamped by its place in the order."""
        for number, (file, name) in enumerate(zip(self._files, self._names, strict=True)):
            try:
                rgb = rgb_from_file(file.read_bytes())  # imread would turn it by its EXIF
            except (BrokenImage, OSError) as problem:
                yield Skipped(_printable(file.name), str(problem))
            else:
                yield _frame(name, rgb, round(number / self._rate_hz * 1e9), self._choice)


class Video:
    """The frames of a video file."""

    def __init__(self, path: Path, choice: CameraChoice | None) -> None:
        self._path, self._choice = path, choice
        capture = self._opened()
        self._rate_hz = capture.get(cv2.CAP_PROP_FPS) or FOLDER_RATE_HZ
        self.count = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
        self.note, self.has_camera = choice.note if choice else '', choice is not None
        capture.release()

    def frames(self) -> Iterator[Frame | Skipped]:
        """Every frame once, in its own time; reading goes on after a damaged one.

        A container may claim more frames than it holds: what fails at the end is the end.
        """
        capture, stamp_ns, lost = self._opened(), -1, list[int]()
        try:
            for number in itertools.count():
                found, bgr = capture.read()
                if found:
                    yield from (Skipped(f'{each:06d}', 'cannot be decoded') for each in lost)
                    lost.clear()
                    rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=bgr)
                    stamp_ns = self._stamp_ns(capture, number, stamp_ns)
                    yield _frame(f'{number:06d}', rgb, stamp_ns, self._choice)
                elif number < self.count:
                    lost.append(number)
                else:
                    return
        finally:
            capture.release()

    def _stamp_ns(self, capture: cv2.VideoCapture, number: int, last_ns: int) -> int:
        """Of the frame just read: the file's own, or by number and rate where it stands still."""
        own_ns = round(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        by_rate_ns = round(number / self._rate_hz * 1e9), last_ns + round(1e9 / self._rate_hz)
        return own_ns if own_ns > last_ns else max(by_rate_ns)

    def _opened(self) -> cv2.VideoCapture:
        if _printable(str(self._path)) != str(self._path):  # on which OpenCV crashes
            raise OfflineError(f'{self._path} has a name that is not UTF-8, which a video needs')
        capture = cv2.VideoCapture(str(self._path))
        if not capture.isOpened():
            raise OfflineError(f'{self._path} is no picture, no bag and no video OpenCV can read')
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)  # as the camera gave it, like a picture
        return capture


def _frame(
    name: str, rgb: NDArray[np.uint8], stamp_ns: int, choice: CameraChoice | None
) -> Frame | Skipped:
    try:
        calibration = choice(rgb.shape[1], rgb.shape[0]) if choice else None
    except CameraError as problem:
        return Skipped(name, str(problem))
    seen = calibration.seen(rgb) if calibration else rgb
    return Frame(name, seen, stamp_ns, stamp_ns, 'camera', calibration)


def _pictures_in(folder: Path) -> list[Path]:
    files = [each for each in folder.rglob('*') if each.suffix.lower() in PICTURE_SUFFIXES]
    files.sort(key=lambda file: [_natural(part) for part in file.relative_to(folder).parts])
    inside = {part for file in files for part in file.relative_to(folder).parts[:-1]}
    if truth := sorted(inside & set(NO_PICTURES)):
        raise OfflineError(
            f"{folder} is a data folder, whose {truth[0]} holds no camera's pictures; name the "
            f'folder that does, such as {folder / "leftImg8bit"}'
        )
    if not files:
        raise OfflineError(
            f'{folder} holds no picture ({", ".join(PICTURE_SUFFIXES)}) and is no ROS 2 bag'
        )
    return files


def _natural(name: str) -> tuple[list[str | int], str]:
    """A key to sort by in which frame_2 comes before frame_10."""
    parts: list[str | int] = list(re.split(r'([0-9]+)', name))
    parts[1::2] = [int(each) for each in parts[1::2]]  # texts and numbers in turn
    return parts, name


def _unique_names(files: list[Path], folder: Path) -> list[str]:
    """Stems; where two are the same paths with suffix; where those are, with a number before."""
    stems = [_printable(file.stem) for file in files]
    paths = [_printable('_'.join(file.relative_to(folder).parts)) for file in files]
    numbered = [f'{number:06d}_{path}' for number, path in enumerate(paths)]
    return next(names for names in (stems, paths, numbered) if len(set(names)) == len(names))


def _printable(name: str) -> str:
    """The name with a mark for every byte that is not UTF-8: nothing else can be encoded."""
    return os.fsencode(name).decode('utf-8', 'replace')
