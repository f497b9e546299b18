"""Writes drives in Cityscapes layout, with exact depth and poses beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sds_training.streets.drive import Drive, Frame

LABELLED_FRAME = 19  # of the 30 of a snippet, as in Cityscapes
_FAST_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1]
# Noise repeats nowhere, so a search for repeats costs half the time and makes no file smaller.
_PHOTO_PNG = [*_FAST_PNG, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY,
              cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_AVG]  # fmt: skip


def frame_name(drive: Drive, frame: int) -> str:
    """E.g. 'altbruck_000007_000019': city, snippet, frame."""
    return f'{drive.city.name}_{drive.seed[1]:06d}_{frame:06d}'


def encode_disparity(depth_m: NDArray[np.float32], fx: float, baseline_m: float) -> NDArray:
    """(H, W) uint16 as Cityscapes stores it: d = (value - 1) / 256 pixels, 0 where unknown."""
    value = np.round(fx * baseline_m / depth_m * 256.0) + 1.0
    return np.where(np.isfinite(depth_m), np.clip(value, 1, 65535), 0).astype(np.uint16)


def write_drive(
    root: Path, split: str, drive: Drive, label_every_frame: bool = False,
    window: int | None = None, every: int = 1,
    also: Callable[[Drive, int, Frame], None] | None = None,
) -> int:  # fmt: skip
    """Render and write one snippet; returns the number of frames written.

    Frame 19 has labels, disparity, depth and camera where Cityscapes has them. With
    `label_every_frame` the truth of all frames goes to folders that end in `_sequence`. With
    `window` only the frames at most that far from the labelled one are rendered, and of these
    only those a multiple of `every` away. `also` is handed every frame.
    """
    frames = len(drive.motion.s)
    labelled = min(LABELLED_FRAME, frames - 1)
    reach = frames if window is None else window
    reached = range(max(0, labelled - reach), min(frames, labelled + reach + 1))
    wanted = [number for number in reached if (number - labelled) % every == 0]
    # First: of a snippet that is stopped halfway no frame must be seen through another's lens.
    named = _Writer(Path(root), split, drive.city.name, frame_name(drive, labelled))
    named.text('camera', 'camera', camera_numbers(drive))
    for number in wanted:
        frame = drive.render(number)
        if also is not None:
            also(drive, number, frame)
        writer = _Writer(Path(root), split, drive.city.name, frame_name(drive, number))
        writer.picture('leftImg8bit_sequence', 'leftImg8bit', frame.image[..., ::-1])
        writer.text('vehicle_sequence', 'vehicle', vehicle_numbers(drive, number))
        writer.text('pose', 'pose', {'world_from_camera': frame.world_from_camera.tolist()})
        if label_every_frame:
            _write_truth(writer, drive, frame, '_sequence')
        if number == labelled:
            writer.picture('leftImg8bit', 'leftImg8bit', frame.image[..., ::-1])
            writer.text('vehicle', 'vehicle', vehicle_numbers(drive, number))
            _write_truth(writer, drive, frame, '')
    return len(wanted)


def _write_truth(writer: _Writer, drive: Drive, frame: Frame, ending: str) -> None:
    sensor = drive.sensor
    disparity = encode_disparity(frame.depth_m, sensor.camera.fx, sensor.baseline_m)
    writer.picture('gtFine' + ending, 'gtFine_labelIds', frame.label_ids)
    writer.picture('gtFine' + ending, 'gtFine_instanceIds', frame.instance_ids)
    writer.picture('disparity' + ending, 'disparity', disparity)
    np.save(writer.path('depth' + ending, 'depth', '.npy'), frame.depth_m)


def vehicle_numbers(drive: Drive, frame: int) -> dict[str, float]:
    """A Cityscapes vehicle file: speed in m/s and yaw rate in rad/s, left positive."""
    motion = drive.motion
    return {'speed': float(motion.speed[frame]), 'yawRate': float(motion.yaw_rate[frame])}


def camera_numbers(drive: Drive) -> dict[str, dict[str, float]]:
    """A Cityscapes camera file; z is the height above the road, pitch is down positive."""
    sensor = drive.sensor
    camera = sensor.camera
    return {
        'extrinsic': {
            'baseline': sensor.baseline_m, 'pitch': -sensor.pitch, 'roll': 0.0, 'x': 0.0,
            'y': 0.0, 'yaw': 0.0, 'z': sensor.height_m,
        },
        'intrinsic': {'fx': camera.fx, 'fy': camera.fy, 'u0': camera.cx, 'v0': camera.cy},
    }  # fmt: skip


class _Writer:
    """Knows where one frame's files belong."""

    def __init__(self, root: Path, split: str, city: str, name: str) -> None:
        self._root, self._split, self._city, self._name = root, split, city, name

    def path(self, kind: str, ending: str, suffix: str) -> Path:
        folder = self._root / kind / self._split / self._city
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f'{self._name}_{ending}{suffix}'

    def picture(self, kind: str, ending: str, pixels: NDArray) -> None:
        path = self.path(kind, ending, '.png')
        options = _PHOTO_PNG if pixels.ndim == 3 else _FAST_PNG
        if not cv2.imwrite(str(path), np.ascontiguousarray(pixels), options):
            raise OSError(f'{path} could not be written')

    def text(self, kind: str, ending: str, numbers: dict) -> None:
        self.path(kind, ending, '.json').write_text(json.dumps(numbers, indent=1))
