"""The network a run began with: what it says of depth is what `loss.kept_depth` keeps."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from sds_perception.network import SdsNetwork
from sds_training.teacher import FrozenCopy


class Start(FrozenCopy):
    """Never changes, and sees every picture as large as those it learnt from.

    A network judges distance by pixels: the demo release, shown streets of half its size, says
    1.7 times their depth (training_notes.md, section 6).
    """

    def __init__(
        self,
        student: SdsNetwork,
        autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
        zoom: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        """A copy of `student`; `zoom` is its own width and height over those of this run."""
        super().__init__(student, autocast)
        self.zoom = zoom

    def disparity(self, image: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, 1, h, w) sigmoid disparity of (B, 3, H, W) RGB in [0, 1], at `size` (h, w)."""
        width, height = self.zoom
        own = [self._whole(image.shape[-2] * height), self._whole(image.shape[-1] * width)]
        return _resized(self(_resized(image, own)).disparity[0], size)

    def _whole(self, side: float) -> int:
        """The nearest number of pixels that the network takes."""
        multiple = self.network.config.size_multiple
        return max(1, round(side / multiple)) * multiple


def zoom_between(own: tuple[int, int], ours: tuple[int, int]) -> tuple[float, float]:
    """How many times as wide and as high pictures of the size `own` are as those of `ours`."""
    return own[0] / ours[0], own[1] / ours[1]


def _resized(image: Tensor, size: tuple[int, int] | list[int]) -> Tensor:
    """(B, C, h, w) at another size; as it is where it has that already."""
    if tuple(image.shape[-2:]) == tuple(size):
        return image
    return F.interpolate(image, list(size), mode='bilinear', antialias=True)
