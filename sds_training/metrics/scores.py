"""The scores of a set of frames: added up scene by scene, beside what is known of the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sds_perception.labels import NAMES
from sds_perception.scene import Scene
from sds_training.data.cityscapes import digest_of
from sds_training.data.validation import ValidationFrame
from sds_training.metrics.depth import DepthProtocol, DepthScores
from sds_training.metrics.semantics import Confusion


class ScoredFrame(NamedTuple):
    """One frame as the Perceiver saw it, beside its truth."""

    frame: ValidationFrame
    rgb: NDArray[np.uint8]  # (H, W, 3)
    scene: Scene
    labels: NDArray[np.uint8] | None  # (H, W) true train ids
    depth_m: NDArray[np.float32] | None  # (H, W) true metres


@dataclass(frozen=True)
class Scores:
    """What a release is worth on a set of frames; None where there was no truth to compare."""

    frames: int
    frames_sha256: str  # of the frames' names, one per line
    labelled_frames: int
    mean_iou: float | None  # None as well where all labels are void
    iou: dict[str, float | None]  # by class; None where neither truth nor prediction is
    accuracy: float | None
    confusion: list[list[int]]  # truth by prediction, the last column unlabelled
    fold: dict[str, str]
    depth_frames: int
    depths_without_pixels: int  # frames with a depth truth of which no pixel could be scored
    disparities_without_camera: int  # frames whose only depth truth is one, so that they have none
    depth_kind: str
    depth_protocol: str
    depth_coverage: float | None
    depth: dict[str, float | None]  # as predicted: means nothing for relative depth
    depth_median_scaled: dict[str, float | None]
    seconds_per_frame: float

    def as_dict(self) -> dict[str, object]:
        """The scores as plain JSON values."""
        return asdict(self)

    @property
    def gaps(self) -> list[str]:
        """Why frames with a file of their truth were not scored by it, in sentences."""
        told = []
        if self.labelled_frames and self.mean_iou is None:
            told.append(
                f'no class scores: the labels of all {self.labelled_frames} labelled frames are '
                'void, as Cityscapes ships those of its test split'
            )
        if self.disparities_without_camera:
            told.append(
                'no depth truth of frames with a disparity file and no camera file '
                f'({self.disparities_without_camera} of {self.frames}): without its focal length '
                'and baseline nobody knows the metres'
            )
        if self.depths_without_pixels:
            told.append(
                f'no depth scores of {self.depths_without_pixels} of {self.frames} frames whose '
                'depth truth can be read: no pixel that counts has a true and a predicted depth'
            )
        return told


class Tally:
    """Adds up scenes beside their truth."""

    def __init__(self, fold: Mapping[str, str] | None, protocol: DepthProtocol) -> None:
        self._fold = dict(fold or {})
        self._confusion, self._depth = Confusion(fold), DepthScores(protocol)
        self._names: list[str] = []
        self._labelled, self._depths, self._lone_disparities, self._seconds = 0, 0, 0, 0.0
        self._kinds: set[str] = set()

    def add(self, scored: ScoredFrame, seconds: float) -> None:
        """Count one frame, and the time it took to see what is in it."""
        frame, scene = scored.frame, scored.scene
        self._names.append(frame.name)
        self._seconds += seconds
        self._lone_disparities += frame.lone_disparity
        if scored.labels is not None:
            self._confusion.add(scored.labels, scene.labels)
            self._labelled += 1
        if scored.depth_m is not None:
            self._depth.add(scored.depth_m, scene.depth)
            self._depths += 1
            self._kinds.add(scene.depth_kind)

    def scores(self) -> Scores:
        """What the frames so far come to."""
        return Scores(
            frames=len(self._names),
            frames_sha256=digest_of(self._names),
            labelled_frames=self._labelled,
            **_semantic_scores(self._confusion),
            fold=self._fold,
            depth_frames=self._depth.pictures,
            depths_without_pixels=self._depths - self._depth.pictures,
            disparities_without_camera=self._lone_disparities,
            depth_kind=' and '.join(sorted(self._kinds)) or 'none',
            depth_protocol=self._depth.protocol.describe(),
            **_depth_scores(self._depth),
            seconds_per_frame=self._seconds / max(1, len(self._names)),
        )


def _semantic_scores(confusion: Confusion) -> dict[str, Any]:
    return {
        'mean_iou': _known(confusion.mean_iou),
        'iou': {name: _known(v) for name, v in zip(NAMES, confusion.iou, strict=True)},
        'accuracy': _known(confusion.accuracy),
        'confusion': confusion.counts.tolist(),
    }


def _depth_scores(depth: DepthScores) -> dict[str, Any]:
    plain, scaled = (depth.mean(median_scaling=scaling) for scaling in (False, True))
    return {
        'depth_coverage': _known(depth.coverage),
        'depth': {name: _known(value) for name, value in plain.items()},
        'depth_median_scaled': {name: _known(value) for name, value in scaled.items()},
    }


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
