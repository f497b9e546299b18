"""Class scores as cityscapesScripts counts them: one confusion matrix over all pixels of a set."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sds_perception.labels import CLASSES, NAMES, TRAIN_ID, UNLABELLED

CAMVID_FOLD: dict[str, str] = {
    'wall': 'fence',
    'traffic light': 'traffic sign',
    'terrain': 'vegetation',
    'truck': 'car',
    'bus': 'car',
    'train': 'car',
    'motorcycle': 'rider',
    'bicycle': 'rider',
}
"""What the eleven CamVid classes cannot tell apart."""

FOLDS: dict[str, dict[str, str]] = {'none': {}, 'camvid': CAMVID_FOLD}


def fold_table(fold: Mapping[str, str]) -> NDArray[np.uint8]:
    """Turn {'class': 'the class it is counted as'} into a (256,) table of train ids.

    Raises ValueError for a name that is no class, and for a class folded into a folded one.
    """
    table = np.arange(256, dtype=np.uint8)
    for source, target in fold.items():
        for name in (source, target):
            if name not in TRAIN_ID:
                raise ValueError(f'fold names {name!r}; the classes are {", ".join(NAMES)}')
        if target in fold:
            raise ValueError(f'fold sends {source!r} to {target!r}, which is folded itself')
        table[TRAIN_ID[source]] = TRAIN_ID[target]
    return table


class Confusion:
    """Pixel counts by true and predicted class; add pictures, then read the scores."""

    def __init__(self, fold: Mapping[str, str] | None = None) -> None:
        self._fold = fold_table(fold or {})
        # rows: truth; columns: prediction, the last one unlabelled
        self.counts = np.zeros((len(CLASSES), len(CLASSES) + 1), np.int64)

    def add(self, truth: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> None:
        """Count one picture: two (H, W) arrays of train ids; unlabelled truth does not count."""
        if truth.shape != predicted.shape:
            raise ValueError(f'truth is {truth.shape}, the prediction is {predicted.shape}')
        classes = len(CLASSES)
        counted = truth != UNLABELLED
        rows = self._fold[truth[counted]].astype(np.int64)
        columns = np.minimum(self._fold[predicted[counted]], classes)
        cells = np.bincount(rows * (classes + 1) + columns, minlength=self.counts.size)
        self.counts += cells.reshape(self.counts.shape)

    @property
    def iou(self) -> NDArray[np.float64]:
        """(K,) intersection over union by class; NaN where neither truth nor prediction is."""
        hits = np.diagonal(self.counts).astype(np.float64)
        union = self.counts.sum(1) + self.counts[:, :-1].sum(0) - hits
        return np.divide(hits, union, out=np.full_like(hits, np.nan), where=union > 0)

    @property
    def mean_iou(self) -> float:
        """Mean over the classes with a score, as cityscapesScripts takes it; NaN without any."""
        scores = self.iou
        scores = scores[~np.isnan(scores)]
        return float(scores.mean()) if scores.size else float('nan')

    @property
    def accuracy(self) -> float:
        """Share of the counted pixels that are right; NaN without any."""
        total = self.counts.sum()
        return float(np.diagonal(self.counts).sum() / total) if total else float('nan')
