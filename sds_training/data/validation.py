"""Frames to score: each with what is known of its truth, read at full size when asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sds_perception.camera import Camera
from sds_training.data.cityscapes import DataError, scan
from sds_training.data.config import DataConfig
from sds_training.data.files import (
    FileError,
    read_camera,
    read_depth_m,
    read_disparity_depth_m,
    read_label,
    read_picture,
    recorded_camera,
)


@dataclass(frozen=True)
class ValidationFrame:
    """One frame and the files of its truth; None where there is no such file."""

    name: str
    image: Path
    label: Path | None
    camera: Path | None
    disparity: Path | None
    depth: Path | None

    def rgb(self) -> NDArray[np.uint8]:
        """The picture as recorded, (H, W, 3) RGB."""
        return read_picture(self.image)

    def camera_at(self, width: int, height: int) -> Camera | None:
        """The camera of the recorded picture, None where there is no file."""
        return recorded_camera(self.camera, width, height) if self.camera else None

    def labels(self, size: tuple[int, int]) -> NDArray[np.uint8] | None:
        """The truth, (H, W) train ids, of a picture of this (height, width)."""
        return _fitting(read_label(self.label), self.label, size) if self.label else None

    def depth_m(self, size: tuple[int, int]) -> NDArray[np.float32] | None:
        """The truth in metres, (H, W), NaN unknown: exact depth if there is any, else stereo.

        The picture is of this (height, width).
        """
        if self.depth is not None:
            return _fitting(read_depth_m(self.depth), self.depth, size)
        if self.disparity is None or self.camera is None:
            return None
        stereo_m = read_disparity_depth_m(self.disparity, read_camera(self.camera))
        return _fitting(stereo_m, self.disparity, size)

    @property
    def lone_disparity(self) -> bool:
        """Whether its only depth truth is a disparity that no camera turns into metres."""
        return self.disparity is not None and self.depth is None and self.camera is None


def _fitting(truth: NDArray, path: Path, size: tuple[int, int]) -> NDArray:
    if truth.shape != size:
        there, wanted = (f'{width}x{height}' for height, width in (truth.shape, size))
        raise FileError(f'{path} is {there}, its picture is {wanted}')
    return truth


def validation_frames(config: DataConfig, split: str = 'val') -> list[ValidationFrame]:
    """The frames of a split that have a label or a depth truth, by name."""
    layout = scan(config.root, split)
    frames = [
        ValidationFrame(
            name=name,
            image=layout.images[name],
            label=layout.labels.get(name),
            camera=layout.camera(name),
            disparity=layout.disparities.get(name),
            depth=layout.depths.get(name),
        )
        for name in sorted(layout.images)
    ]
    scored = [frame for frame in frames if frame.label or frame.disparity or frame.depth]
    if not scored:
        raise DataError(
            f'{config.root} has no frame of the split {split!r} with a label, a disparity or a '
            'depth file; there is nothing to score'
        )
    return scored
