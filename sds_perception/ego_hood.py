"""The part of every picture that shows the vehicle itself: nothing is known there."""

from __future__ import annotations

import os
from pathlib import Path

import cv2

from sds_perception.image_codec import BrokenImage, non_zero_in_file
from sds_perception.resampling import resized_to
from sds_perception.scene import Scene


class HoodMask:
    """A picture, non-zero where a camera sees its own vehicle; fitted to scenes of any size.

    Raises:
        OSError: there is no such file, it is not a picture, or it hides nothing or all.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            self._mask = non_zero_in_file(Path(path).read_bytes())
        except BrokenImage as problem:
            raise OSError(f'hood mask {path} is not a picture: {problem}') from problem
        except OSError as problem:
            raise OSError(f'hood mask {path} cannot be read: {problem.strerror}') from problem
        if not self._mask.any():
            raise OSError(f'hood mask {path} hides nothing: all its pixels are 0')
        if self._mask.all():
            raise OSError(f'hood mask {path} hides everything: none of its pixels is 0')
        self._hidden = self._mask != 0  # of the size of the last scene

    def blank(self, scene: Scene) -> None:
        """Take label, confidence and depth from the hidden pixels, in place."""
        if self._hidden.shape != scene.size:
            self._hidden = resized_to(self._mask, scene.size, cv2.INTER_NEAREST) != 0
        scene.blank(self._hidden)
