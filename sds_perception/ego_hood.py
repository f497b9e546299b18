"""The part of every picture that shows the vehicle itself: nothing is known there."""

from __future__ import annotations

import os
from pathlib import Path

from sds_perception.image_codec import BrokenImage, non_zero_in_file
from sds_perception.pixel_mask import PixelMask
from sds_perception.scene import Scene


class MaskError(ValueError):
    """A mask that cannot be of this picture; the message is one sentence."""


class HoodMask:
    """A picture, non-zero where a camera sees its own vehicle; fitted to scenes of any size.

    Raises:
        OSError: there is no such file, it is not a picture, or it hides nothing or all.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            mask = non_zero_in_file(Path(path).read_bytes()) != 0
        except BrokenImage as problem:
            raise OSError(f'hood mask {path} is not a picture: {problem}') from problem
        except OSError as problem:
            raise OSError(f'hood mask {path} cannot be read: {problem.strerror}') from problem
        if not mask.any():
            raise OSError(f'hood mask {path} hides nothing: all its pixels are 0')
        if mask.all():
            raise OSError(f'hood mask {path} hides everything: none of its pixels is 0')
        self._name, self._size, self._hidden = str(path), mask.shape, PixelMask(mask)

    def require_fits(self, size: tuple[int, int]) -> None:
        """Refuse frames of (H, W) that this mask is not the shape of: stretched it would lie.

        Raises:
            MaskError: the shapes differ by more than the rounding of the coarser of the two.
        """
        (height, width), (own_height, own_width) = size, self._size
        off = 2 * abs(own_height * width - own_width * height)
        if off > max(width + height, own_width + own_height):  # more than by rounding
            raise MaskError(
                f'hood mask {self._name} is {own_width}x{own_height}, the picture '
                f'{width}x{height}: wanted a mask of its shape'
            )

    def blank(self, scene: Scene) -> None:
        """Take label, confidence and depth from the hidden pixels, in place."""
        scene.blank(self._hidden.at(scene.size))
