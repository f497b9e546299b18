"""Single movable things in a label map, as a person would count them."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sds_perception.labels import MOVABLE, RIDER, TWO_WHEELERS
from sds_training.constants import on_device


def _group_of() -> NDArray[np.uint8]:
    """(256,) by train id: things of one group are one if they touch; 0 cannot move.

    A rider and the bicycle or motorcycle that touches him are one thing.
    """
    group = np.zeros(256, np.uint8)
    group[list(MOVABLE)] = MOVABLE
    group[list(TWO_WHEELERS)] = RIDER
    return group


_GROUP_OF = _group_of()


class MovableObject(NamedTuple):
    """One thing: its rectangle and its pixels in it."""

    top: int
    left: int
    mask: NDArray[np.bool_]  # (height, width)

    def cut(self, plane: NDArray) -> NDArray:
        """The values of an (H, W) array on the object's N pixels: (N,)."""
        height, width = self.mask.shape
        return plane[self.top : self.top + height, self.left : self.left + width][self.mask]


def movable_objects(label: NDArray[np.uint8], areas: tuple[float, float]) -> list[MovableObject]:
    """The 8-connected movable things of an (H, W) label map whose area lies within `areas`.

    Args:
        label: train ids, 255 = unlabelled.
        areas: least and greatest area as shares of the picture.
    """
    group = cv2.LUT(label, _GROUP_OF)
    pixels = cv2.calcHist([group], [0], None, [256], [0, 256]).ravel()
    least = areas[0] * label.size
    return [
        each
        for number in np.flatnonzero(pixels)
        if number and pixels[number] >= least
        for each in components(group == number, areas)
    ]


def components(mask: NDArray[np.bool_], areas: tuple[float, float]) -> list[MovableObject]:
    """The 8-connected parts of an (H, W) mask whose area lies within `areas`, in shares of it."""
    plane = mask.view(np.uint8)
    first_column, first_row, wide, high = cv2.boundingRect(plane)
    plane = plane[first_row : first_row + high, first_column : first_column + wide]
    if not plane.size:
        return []
    _, numbers, statistics, _ = cv2.connectedComponentsWithStats(plane, connectivity=8)
    least, greatest = (share * mask.size for share in areas)
    parts = []
    for number, (left, top, width, height, area) in enumerate(statistics):
        if number and least <= area <= greatest:
            window = numbers[top : top + height, left : left + width]
            at = int(first_row + top), int(first_column + left)
            parts.append(MovableObject(*at, window == number))
    return parts


def movable_mask(label: Tensor) -> Tensor:
    """Which pixels of (B, H, W) train ids belong to things that can move: (B, 1, H, W) bool."""
    return is_one_of(label, MOVABLE)


def is_one_of(label: Tensor, train_ids: tuple[int, ...]) -> Tensor:
    """Which pixels of (B, H, W) train ids are one of `train_ids`: (B, 1, H, W) bool."""
    return on_device(_table_of(train_ids), label.device)[label.long()].unsqueeze(1)


@lru_cache
def _table_of(train_ids: tuple[int, ...]) -> Tensor:
    table = torch.zeros(256, dtype=torch.bool)
    table[list(train_ids)] = True
    return table
