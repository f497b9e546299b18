"""What becomes of a camera's lens: the three readings of its calibration, as the node has them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sds_perception.calibration import READINGS, Calibration, InfoFields, bends

LENSES = tuple(READINGS)


def through(calibration: Calibration | None, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) `rgb` as the calibration has it: without the lens where that is taken out."""
    return calibration.rectifier(rgb) if calibration and calibration.rectifier else rgb


def lens_note(info: InfoFields, lens: str) -> str:
    """What a reader has to know of a lens that stays in the pictures; '' where nothing bends."""
    if lens != 'raw' or not bends(info):
        return ''
    return (
        'the lens bends and is left in the pictures: metres are off at the sides '
        '(lens rectify takes it out, rectified is for image_rect)'
    )
