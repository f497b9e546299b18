"""Depth errors with their protocol stated; averaged per picture, then over pictures.

Formulas and Cityscapes window: the evaluation usual for self-supervised depth (Eigen et al.).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

METRICS = ('abs_rel', 'sq_rel', 'rmse', 'rmse_log', 'delta1', 'delta2', 'delta3')


@dataclass(frozen=True)
class DepthProtocol:
    """Which pixels count, as shares of the picture's height and width, and in which range."""

    name: str
    top: float = 0.0
    bottom: float = 1.0
    left: float = 0.0
    right: float = 1.0
    near_m: float = 1e-3  # truth must be farther, predictions are clipped to it
    far_m: float = 80.0  # truth must be nearer, predictions are clipped to it

    def window(self, height: int, width: int) -> tuple[slice, slice]:
        """Rows and columns that count in a picture of this size."""
        rows = slice(round(self.top * height), round(self.bottom * height))
        return rows, slice(round(self.left * width), round(self.right * width))

    def describe(self) -> str:
        """One sentence for the report."""
        return (
            f'{self.name}: rows {self.top:.4g} to {self.bottom:.4g} of the height, columns '
            f'{self.left:.4g} to {self.right:.4g} of the width, truth between {self.near_m:g} and '
            f'{self.far_m:g} m, predictions clipped to that range, errors averaged per picture'
        )


PROTOCOLS: dict[str, DepthProtocol] = {
    # of 1024x2048: the car at the bottom goes, then rows from 256 and columns 192 to 1856 stay
    'cityscapes': DepthProtocol('cityscapes', 256 / 1024, 0.75, 192 / 2048, 1856 / 2048),
    'full': DepthProtocol('full'),
}


def counted_pixels(truth_m: NDArray[np.float32], protocol: DepthProtocol) -> NDArray[np.bool_]:
    """(H, W) mask of the pixels whose truth counts; NaN and infinite truth never do."""
    inside = np.zeros(truth_m.shape, np.bool_)
    inside[protocol.window(*truth_m.shape)] = True
    with np.errstate(invalid='ignore'):
        return inside & (truth_m > protocol.near_m) & (truth_m < protocol.far_m)


def depth_errors(
    truth_m: NDArray[np.float32],
    predicted: NDArray[np.float32],
    protocol: DepthProtocol,
    *,
    median_scaling: bool,
) -> dict[str, float] | None:
    """Errors of one picture by name (`METRICS`), or None if no pixel counts.

    Args:
        truth_m: (H, W) metres, NaN where unknown.
        predicted: (H, W) depth, NaN where the scene has none; those pixels are left out, see
            `DepthScores.coverage`.
        protocol: which pixels count.
        median_scaling: first multiply the prediction by median(truth) / median(prediction).
    """
    counted = counted_pixels(truth_m, protocol) & np.isfinite(predicted)
    truth = truth_m[counted].astype(np.float64)
    guess = predicted[counted].astype(np.float64)
    if not truth.size:
        return None
    if median_scaling:
        guess *= np.median(truth) / np.median(guess)
    guess = np.clip(guess, protocol.near_m, protocol.far_m)
    ratio = np.maximum(truth / guess, guess / truth)
    off, log_off = truth - guess, np.log(truth) - np.log(guess)
    return {
        'abs_rel': float(np.mean(np.abs(off) / truth)),
        'sq_rel': float(np.mean(off**2 / truth)),
        'rmse': float(np.sqrt(np.mean(off**2))),
        'rmse_log': float(np.sqrt(np.mean(log_off**2))),
        'delta1': float(np.mean(ratio < 1.25)),
        'delta2': float(np.mean(ratio < 1.25**2)),
        'delta3': float(np.mean(ratio < 1.25**3)),
    }


class DepthScores:
    """Errors of a set of pictures, with and without median scaling."""

    def __init__(self, protocol: DepthProtocol) -> None:
        self.protocol = protocol
        self.pictures = 0
        self._sums = {scaled: dict.fromkeys(METRICS, 0.0) for scaled in (False, True)}
        self._counted = self._predicted = 0

    def add(self, truth_m: NDArray[np.float32], predicted: NDArray[np.float32]) -> None:
        """Count one picture; one without any pixel that counts changes nothing but coverage."""
        counted = counted_pixels(truth_m, self.protocol)
        self._counted += int(counted.sum())
        self._predicted += int((counted & np.isfinite(predicted)).sum())
        for scaled, sums in self._sums.items():
            errors = depth_errors(truth_m, predicted, self.protocol, median_scaling=scaled)
            if errors is None:
                return
            for name, value in errors.items():
                sums[name] += value
        self.pictures += 1

    @property
    def coverage(self) -> float:
        """Share of the pixels with truth for which the scene has a depth; NaN without truth."""
        return self._predicted / self._counted if self._counted else float('nan')

    def mean(self, *, median_scaling: bool) -> dict[str, float]:
        """Errors by name, averaged over the pictures; NaN without any."""
        sums = self._sums[median_scaling]
        return {
            name: sums[name] / self.pictures if self.pictures else float('nan') for name in METRICS
        }
