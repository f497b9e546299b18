"""Batches by step number: what step t holds depends on seed and t alone.

Nothing is remembered between steps, so that resuming is starting at another first step, and rank
r of w processes takes its rows of the same batch that one process would draw.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from sds_perception.brightness import exponent, intensity, raised
from sds_training.data.cache import CachedFiles, OriginalFiles, Resized
from sds_training.data.clips import Clip, Pools
from sds_training.data.config import DataConfig
from sds_training.data.files import FileError
from sds_training.data.geometric import (
    GeometricPlan,
    apply_to_camera,
    apply_to_label,
    apply_to_picture,
    draw_geometric,
)
from sds_training.data.loader_workers import ErrorsAsItems, begin_worker, reraised
from sds_training.data.odometry import mirrored, mirrored_road
from sds_training.data.rare_classes import SHOWN_PX, TRIES, RareClasses, pixels_of
from sds_training.data.samples import Batch, Sample, Samples, collate

LABELLED, UNLABELLED_POOL = 0, 1  # streams of random numbers


class StepBatches(Dataset):
    """The batch of any step, by its number.

    Each of `world_size` processes receives `labelled_batch` + `unlabelled_batch` frames; the whole
    batch is that times their number. Each pool is walked in a new order every epoch, without
    repetition. Frames darker than `brightness` are shown as the vehicle will show them
    (`brightness.py`).
    """

    def __init__(
        self,
        config: DataConfig,
        pools: Pools,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        brightness: float = 0.0,
    ) -> None:
        self._config, self._pools, self._seed = config, pools, seed
        self._rank, self._world_size, self._brightness = rank, world_size, brightness
        self._files = open_files(config, pools.clips)
        self._rare = self._rare_classes()

    def __getitem__(self, step: int) -> Batch:
        """The batch of step `step`, from 0."""
        config, pools = self._config, self._pools
        return Batch(
            self._samples(pools.labelled, LABELLED, step, config.labelled_batch),
            self._samples(pools.unlabelled, UNLABELLED_POOL, step, config.unlabelled_batch),
        )

    def between(self, first_step: int, last_step: int) -> Iterator[Batch]:
        """The batches of steps `first_step` up to, not including, `last_step`, by the workers."""
        steps, workers = range(first_step, last_step), self._config.workers
        if workers == 0:
            return (self[step] for step in steps)
        return reraised(
            DataLoader(
                ErrorsAsItems(self),
                batch_size=None,
                sampler=steps,
                num_workers=workers,
                persistent_workers=True,
                pin_memory=torch.cuda.is_available(),
                worker_init_fn=begin_worker,
            )
        )

    def _samples(self, pool: tuple[Clip, ...], stream: int, step: int, size: int) -> Samples:
        first = step * size * self._world_size + self._rank * size
        samples = []
        for place in range(first, first + size):
            rng = np.random.default_rng([self._seed, stream, 1, place])
            if stream == LABELLED and self._rare is not None:
                wanted, at = self._rare.draw(rng)
            else:
                wanted, at = None, place_in_pool(len(pool), (self._seed, stream), place)
            how = self._files, self._config, rng, wanted, self._brightness
            samples.append(load_sample(pool[at], *how))
        return collate(samples, self._config.crop)

    def _rare_classes(self) -> RareClasses | None:
        temperature, labelled = self._config.rare_class_temperature, self._pools.labelled
        if not (temperature and labelled):
            return None
        labels = (self._files.read(clip.label).pixels for clip in labelled if clip.label)
        return RareClasses.counted(labels, temperature)


def open_files(config: DataConfig, clips: Iterable[Clip]) -> CachedFiles | OriginalFiles:
    """The cache, checked for every file of the clips, or the originals if the config says so."""
    return CachedFiles(config, files_of(clips)) if config.use_cache else OriginalFiles(config)


def files_of(clips: Iterable[Clip]) -> list[Path]:
    """Every picture and label that the clips may need, once each, sorted."""
    files: set[Path] = set()
    for clip in clips:
        files.update((clip.image, *(clip.neighbours or ())))
        if clip.label is not None:
            files.add(clip.label)
    return sorted(files)


def place_in_pool(size: int, seed: tuple[int, int], place: int) -> int:
    """Which of `size` frames stands at `place` of an endless walk, reshuffled every epoch."""
    return int(_epoch_order(size, seed, place // size)[place % size])


def load_sample(
    clip: Clip,
    files: CachedFiles | OriginalFiles,
    config: DataConfig,
    rng: np.random.Generator,
    wanted: int | None = None,
    brightness: float = 0.0,
) -> Sample:
    """Read one clip and cut, flip and enlarge it as `rng` decides; neighbours likewise.

    The crop shows the class `wanted`, if one is given and a few draws find it. Where the frame is
    darker than `brightness`, it and its neighbours are raised alike: what they show stays alike.
    """
    image = files.read(clip.image)
    height, width = image.pixels.shape[:2]
    power = exponent(intensity(image.pixels), brightness)
    label = label_of(clip, files, image)
    plan = _plan_for(label, wanted, (width, height), config, rng)
    frame, *others = (
        apply_to_picture(raised(each, power), plan)
        for each in (image.pixels, *neighbours_of(clip, files, image))
    )
    camera = clip.camera_at(*image.recorded).resized(width, height)
    driven = clip.driven(config.neighbour_gap * config.frame_period_s)
    return Sample(
        image=frame,
        neighbours=tuple(others) or (frame, frame),
        has_neighbours=clip.neighbours is not None,
        label=None if label is None else apply_to_label(label, plan),
        depth_only=clip.depth_only,
        intrinsics=apply_to_camera(camera, plan).matrix.astype(np.float32),
        driven=tuple(mirrored(motion) for motion in driven) if plan.flip else driven,
        road=mirrored_road(clip.road()) if plan.flip else clip.road(),
        name=clip.name,
    )


def label_of(
    clip: Clip, files: CachedFiles | OriginalFiles, image: Resized
) -> NDArray[np.uint8] | None:
    """The label of the clip, whose picture is `image`; None without one."""
    if clip.label is None:
        return None
    return of_same_size(clip.label, files, image, 'its picture').pixels


def neighbours_of(
    clip: Clip, files: CachedFiles | OriginalFiles, image: Resized
) -> list[NDArray[np.uint8]]:
    """The pictures beside that of the clip, which is `image`; none without any."""
    beside = f'the frame beside it, {clip.image},'
    return [of_same_size(each, files, image, beside).pixels for each in clip.neighbours or ()]


def of_same_size(
    path: Path, files: CachedFiles | OriginalFiles, image: Resized, name: str
) -> Resized:
    """What the file holds; refused where it would be stretched over the picture and learnt."""
    found = files.read(path)
    if found.recorded != image.recorded:
        there, wanted = (f'{each[0]}x{each[1]}' for each in (found.recorded, image.recorded))
        raise FileError(f'{path} is {there}, {name} is {wanted}')
    return found


def _plan_for(
    label: NDArray[np.uint8] | None,
    wanted: int | None,
    size: tuple[int, int],
    config: DataConfig,
    rng: np.random.Generator,
) -> GeometricPlan:
    """A plan at random; the first, or else the best, of a few that shows the class wanted."""
    best, most = None, -1
    for _ in range(TRIES):
        plan = draw_geometric(size, config.crop, rng, config.flip_probability, config.scale_range)
        if label is None or wanted is None:
            return plan
        shown = pixels_of(apply_to_label(label, plan), wanted)
        if shown >= SHOWN_PX:
            return plan
        if shown > most:
            best, most = plan, shown
    assert best is not None
    return best


@lru_cache(maxsize=8)
def _epoch_order(size: int, seed: tuple[int, int], epoch: int) -> np.ndarray:
    return np.random.default_rng([*seed, 0, epoch]).permutation(size)
