"""Frames of a batch, picked and put together with all that belongs to them."""

from __future__ import annotations

import numpy as np
import torch

from sds_training.data.samples import Sample, Samples, collate, concatenated

CROP = (4, 2)


def samples(*names: str) -> Samples:
    """Frames whose every value is the number that is their name."""

    def one(name: str) -> Sample:
        picture = np.full((*CROP[::-1], 3), int(name), np.uint8)
        matrix = np.full((4, 4), float(name))
        own = (matrix[:3, :3].astype(np.float32), (matrix, matrix), matrix[0])
        return Sample(picture, (picture, picture), True, None, False, *own, name)

    return collate([one(name) for name in names], CROP)


def numbers(found: Samples) -> list[set[float]]:
    """All numbers of each frame's pictures, camera, motion and road, its name among them."""
    parts = (found.image, found.neighbours, found.intrinsics, found.driven, found.road)
    return [
        {float(name), *torch.cat([part[row].flatten().float() for part in parts]).tolist()}
        for row, name in enumerate(found.names)
    ]


def test_frames_that_are_picked_keep_their_names() -> None:
    picked = samples('3', '5', '7').rows(torch.tensor([2, 0]))
    assert picked.names == ['7', '3'] and numbers(picked) == [{7.0}, {3.0}]


def test_two_halves_of_a_batch_become_one_in_their_order() -> None:
    both = concatenated(samples('3', '5'), samples('7'))
    assert both.names == ['3', '5', '7'] and numbers(both) == [{3.0}, {5.0}, {7.0}]
    assert numbers(concatenated(samples(), samples('7'))) == [{7.0}]
