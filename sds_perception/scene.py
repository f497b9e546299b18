"""What the vehicle knows about one frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sds_perception.camera import Camera
from sds_perception.labels import UNLABELLED

DepthKind = Literal['relative', 'metric']


@dataclass(frozen=True)
class Scene:
    """Labels, depth and confidence of one frame, pixel-aligned with each other."""

    labels: NDArray[np.uint8]  # (H, W), Cityscapes train ids; 255 = unlabelled
    depth: NDArray[np.float32]  # (H, W) along the optical axis; NaN where unknown, sky included
    confidence: NDArray[np.uint8]  # (H, W), 0..255 for a class probability of 0..1
    depth_kind: DepthKind  # only 'metric' depth is in metres
    camera: Camera | None = None  # at this scene's size; None when the frame came without one
    timings: dict[str, float] = field(default_factory=dict)  # seconds per stage

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.labels.shape[0], self.labels.shape[1]

    def blank(self, hidden: NDArray[np.bool_]) -> None:
        """Take label, confidence and depth from the (H, W) pixels where `hidden`, in place."""
        self.labels[hidden] = UNLABELLED
        self.confidence[hidden] = 0
        self.depth[hidden] = np.nan
