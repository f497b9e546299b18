"""What a training step receives: pictures, neighbours, labels and cameras of a few frames."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Sample(NamedTuple):
    """One frame, cropped and flipped, as arrays."""

    image: NDArray[np.uint8]  # (H, W, 3) RGB
    neighbours: tuple[NDArray[np.uint8], ...]  # earlier, later; the image itself if there are none
    has_neighbours: bool
    label: NDArray[np.uint8] | None  # (H, W) train ids; None without a label
    depth_only: bool  # no teacher labels it
    intrinsics: NDArray[np.float32]  # (3, 3) of the crop
    driven: tuple[NDArray, ...]  # (4, 4) each, earlier and later camera from this one; NaN unknown
    road: NDArray  # (4,) the ground in the camera's frame, as `Mounting.road`; NaN unknown
    name: str


class Samples(NamedTuple):
    """Some frames of one batch; picture tensors lie channels-last in memory."""

    image: Tensor  # (B, 3, H, W) uint8 RGB
    neighbours: Tensor  # (B, S, 3, H, W) uint8, S = 2: earlier, later; copies where there are none
    has_neighbours: Tensor  # (B,) bool
    label: Tensor  # (B, H, W) uint8 train ids, 255 = unlabelled
    labelled: Tensor  # (B,) bool
    depth_only: Tensor  # (B,) bool, no teacher labels these
    intrinsics: Tensor  # (B, 3, 3) float32, pixels of the crop
    driven: Tensor  # (B, S, 4, 4) float32, source_from_target in metres by odometry, NaN unknown
    road: Tensor  # (B, 4) float32, unit vector down to the road and metres to it, NaN unknown
    names: list[str]  # B frame names

    def to(self, device: torch.device | str) -> Samples:
        """The same samples with every tensor on `device`; pinned memory is copied in passing."""
        parts = self._asdict()
        names = parts.pop('names')
        moved = {key: part.to(device, non_blocking=True) for key, part in parts.items()}
        return Samples(**moved, names=names)

    def rows(self, index: Tensor) -> Samples:
        """Those at (N,) places, in that order."""
        tensors = (part[index] for part in self[:-1])
        return Samples(*tensors, [self.names[place] for place in index.tolist()])


class Batch(NamedTuple):
    """The two halves of a step's batch; either may hold no frames."""

    labelled: Samples
    unlabelled: Samples

    def to(self, device: torch.device | str) -> Batch:
        """The same batch with every tensor on `device`."""
        return Batch(self.labelled.to(device), self.unlabelled.to(device))


def concatenated(first: Samples, second: Samples) -> Samples:
    """Both, in order, as one."""
    tensors = (torch.cat(pair) for pair in zip(first[:-1], second[:-1], strict=True))
    return Samples(*tensors, [*first.names, *second.names])


def collate(samples: list[Sample], crop: tuple[int, int]) -> Samples:
    """Stack samples whose pictures are `crop` = (width, height) pixels; an empty list is fine."""
    width, height = crop
    image = torch.empty((len(samples), height, width, 3), dtype=torch.uint8)
    neighbours = torch.empty((len(samples), 2, height, width, 3), dtype=torch.uint8)
    label = torch.full((len(samples), height, width), 255, dtype=torch.uint8)
    for row, sample in enumerate(samples):
        image[row].numpy()[:] = sample.image
        for source, picture in enumerate(sample.neighbours):
            neighbours[row, source].numpy()[:] = picture
        if sample.label is not None:
            label[row].numpy()[:] = sample.label
    return Samples(
        image=image.permute(0, 3, 1, 2),
        neighbours=neighbours.permute(0, 1, 4, 2, 3),
        has_neighbours=torch.tensor([each.has_neighbours for each in samples], dtype=torch.bool),
        label=label,
        labelled=torch.tensor([each.label is not None for each in samples], dtype=torch.bool),
        depth_only=torch.tensor([each.depth_only for each in samples], dtype=torch.bool),
        intrinsics=_rows([each.intrinsics for each in samples], (3, 3)),
        driven=_rows([np.stack(each.driven) for each in samples], (2, 4, 4)),
        road=_rows([each.road for each in samples], (4,)),
        names=[each.name for each in samples],
    )


def _rows(arrays: list[NDArray], shape: tuple[int, ...]) -> Tensor:
    stacked = np.asarray(arrays, np.float32).reshape(len(arrays), *shape)
    return torch.from_numpy(stacked)
