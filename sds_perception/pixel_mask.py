"""Some pixels of a picture, wherever its scenes are larger or smaller than it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from sds_perception.resampling import resized_to


class PixelMask:
    """A mask, (H, W), at the size of any scene; a stream has one, which is remembered."""

    def __init__(self, mask: NDArray[np.bool_]) -> None:
        self._mask = self._fitted = mask

    def at(self, size: tuple[int, int]) -> NDArray[np.bool_]:
        """The mask at `size` (H, W); not to be changed."""
        if self._fitted.shape != size:
            fitted = resized_to(self._mask.view(np.uint8), size, cv2.INTER_NEAREST)
            self._fitted = fitted.view(np.bool_)
        return self._fitted
