"""How far recorded scenes agree with the exact labels and depth that a rendered drive carries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sds_perception.labels import CLASSES, UNLABELLED
from sds_perception.ros.trial.drive import Drive
from sds_perception.ros.trial.recorded import messages, plane, scenes
from sds_perception.scene import Scene

FAR_M = 80.0  # truth beyond this is not scored, as is usual


class Score:
    """Agreement with exact labels and depth, summed over frames."""

    def __init__(self) -> None:
        self._confusion = np.zeros((len(CLASSES), len(CLASSES) + 1), np.int64)
        self._errors: dict[str, list[float]] = {'AbsRel, median-scaled': [], 'AbsRel, metric': []}

    def add(self, scene: Scene, labels: NDArray[np.uint8], depth: NDArray[np.float32]) -> None:
        """Count one frame; `labels` (H, W) train ids and `depth` (H, W) metres are the truth."""
        known = labels != UNLABELLED
        guess = np.minimum(scene.labels[known], len(CLASSES)).astype(np.int64)
        cells = labels[known].astype(np.int64) * self._confusion.shape[1] + guess
        counts = np.bincount(cells, minlength=self._confusion.size)
        self._confusion += counts.reshape(self._confusion.shape)
        both = np.isfinite(depth) & (depth > 0) & (depth < FAR_M) & np.isfinite(scene.depth)
        if not both.any():
            return
        truth, found = depth[both], scene.depth[both]
        scaled = found * np.median(truth) / np.median(found)
        self._errors['AbsRel, median-scaled'].append(float(np.mean(abs(scaled - truth) / truth)))
        if scene.depth_kind == 'metric':
            self._errors['AbsRel, metric'].append(float(np.mean(abs(found - truth) / truth)))

    def summary(self) -> dict[str, float]:
        """mIoU over the classes present in the truth, and mean AbsRel over frames."""
        hit = np.diag(self._confusion).astype(float)
        true, guessed = self._confusion.sum(1), self._confusion[:, :-1].sum(0)
        present = true > 0
        iou = hit[present] / (true + guessed - hit)[present]
        figures = {'mIoU': float(iou.mean())} if present.any() else {}
        figures |= {name: float(np.mean(e)) for name, e in self._errors.items() if e}
        return {name: round(value, 4) for name, value in figures.items()}


def score_against_truth(bag: Path, node: str, drive: Drive) -> dict[str, float]:
    """Scores of all recorded scenes whose truth the drive carries; empty where it has none."""
    if not drive.truth_topics:
        return {}
    labels_topic, _ = drive.truth_topics
    score, truth = Score(), messages(drive.bag, drive.truth_topics)
    known: dict[int, dict[str, NDArray[Any]]] = {}
    for stamp_ns, scene in scenes(bag, node):
        while len(known.get(stamp_ns, ())) < 2 and (item := next(truth, None)):
            topic, taken_ns, message = item
            name = 'labels' if topic == labels_topic else 'depth'
            known.setdefault(taken_ns, {})[name] = plane(message)
        if len(known.get(stamp_ns, ())) == 2:
            score.add(scene, **known[stamp_ns])
        known = {taken_ns: each for taken_ns, each in known.items() if taken_ns > stamp_ns}
    return score.summary()
