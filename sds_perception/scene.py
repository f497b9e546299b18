"""What the vehicle knows about one frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from sds_perception.camera import Camera
from sds_perception.labels import UNLABELLED
from sds_perception.resampling import resized_to

DepthKind = Literal['relative', 'metric']


@dataclass(frozen=True)
class Scene:
    """Labels, depth and confidence of one frame, pixel-aligned with each other.

    Few ask for confidence, so it gets the frame's size when it is asked for.
    """

    labels: NDArray[np.uint8]  # (H, W), Cityscapes train ids; 255 = unlabelled
    depth: NDArray[np.float32]  # (H, W) along the optical axis; NaN where unknown, sky included
    network_confidence: NDArray[np.uint8]  # 0..255 for a class probability of 0..1; of any size
    depth_kind: DepthKind  # only 'metric' depth is in metres
    camera: Camera | None = None  # at this scene's size; None when the frame came without one
    timings: dict[str, float] = field(default_factory=dict)  # seconds per stage
    lens_ratio: float = 1.0  # what depth was multiplied by for a lens unlike the release's

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.labels.shape[0], self.labels.shape[1]

    @cached_property
    def confidence(self) -> NDArray[np.uint8]:
        """(H, W), 0..255 for a class probability of 0..1; 0 where unlabelled."""
        plane: NDArray[np.uint8] = resized_to(self.network_confidence, self.size, cv2.INTER_LINEAR)
        plane[self.labels == UNLABELLED] = 0
        return plane

    def fitted(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The frame (H, W, 3) `rgb` at this scene's size; itself where it has that already."""
        if rgb.shape[:2] == self.size:
            return rgb
        return resized_to(rgb, self.size, cv2.INTER_AREA)

    def blank(self, hidden: NDArray[np.bool_]) -> None:
        """Take label, confidence and depth from the (H, W) pixels where `hidden`, in place."""
        self.labels[hidden] = UNLABELLED
        self.depth[hidden] = np.nan
        self.__dict__.pop('confidence', None)  # what was asked for before is not true any more


def millimetres(depth_m: NDArray[np.float32]) -> NDArray[np.uint16]:
    """As 16 bits hold it by REP 118: 0 where unknown or too far."""
    whole = np.nan_to_num(depth_m * 1000.0, nan=0.0)
    whole[whole > np.iinfo(np.uint16).max] = 0
    return whole.round().astype(np.uint16)
