"""Labelled frames drawn by class, so that small and rare things are seen as often as roads.

Rare class sampling: a class is drawn first, the rarer the likelier, then a frame that shows it,
then a crop in which it is still there (Hoyer et al., DAFormer, CVPR 2022, section 3.3).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sds_perception.labels import CLASSES
from sds_training.data.cityscapes import DataError

SHOWN_PX = 50  # of a class, for a frame or a crop to count as showing it
TRIES = 10  # crops drawn for the class before the fullest of them is taken


@dataclass(frozen=True)
class RareClasses:
    """How likely each class is, and which frames show it."""

    probability: NDArray[np.float64]  # (K,), sums to 1; 0 for a class no frame shows
    shown_in: tuple[NDArray[np.int64], ...]  # per class, places of the frames that show it

    @classmethod
    def counted(cls, labels: Iterable[NDArray[np.uint8]], temperature: float) -> RareClasses:
        """Count the classes of all labels, (H, W) train ids each.

        Class c gets exp((1 - f_c) / temperature) with f_c its share of the labelled pixels.
        """
        counts = np.array([np.bincount(each.ravel(), minlength=256) for each in labels])
        counts = counts[:, : len(CLASSES)]
        shown_in = tuple(np.flatnonzero(column >= SHOWN_PX) for column in counts.T)
        share = counts.sum(axis=0) / max(1, counts.sum())
        shown = np.array([len(frames) > 0 for frames in shown_in])
        if not shown.any():
            raise DataError(
                f'none of {len(counts)} labels shows {SHOWN_PX} pixels of any class, which '
                f'data.rare_class_temperature {temperature} wants; mend the labels, or set it to 0'
            )
        rarest = share[shown].min()  # without it a cold temperature rounds all weights to 0
        weight = np.where(shown, np.exp(-(share - rarest).clip(0) / temperature), 0.0)
        return cls(weight / weight.sum(), shown_in)

    def draw(self, rng: np.random.Generator) -> tuple[int, int]:
        """A class and the place of a frame that shows it."""
        wanted = int(rng.choice(len(self.probability), p=self.probability))
        return wanted, int(rng.choice(self.shown_in[wanted]))


def pixels_of(label: NDArray[np.uint8], wanted: int) -> int:
    """How many pixels of a label are of one class."""
    return int(np.count_nonzero(label == wanted))
