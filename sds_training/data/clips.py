"""The frames to learn from: each with its neighbours, label, camera and speeds, as paths."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sds_perception.camera import Camera
from sds_training.data.cityscapes import TRAIN, Layout, scan, shifted
from sds_training.data.config import DataConfig
from sds_training.data.files import read_camera, read_vehicle, recorded_camera
from sds_training.data.odometry import (
    UNKNOWN,
    UNKNOWN_ROAD,
    Matrix,
    Mounting,
    Plane,
    camera_motion,
)
from sds_training.data.requirements import require_frames, require_told_motion
from sds_training.data.splits import LabelSplit, label_split

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clip:
    """One frame and everything that belongs to it; nothing has been read yet."""

    name: str
    image: Path
    neighbours: tuple[Path, Path] | None  # earlier, later
    label: Path | None
    camera: Path | None
    vehicles: tuple[Path | None, Path | None, Path | None]  # itself, earlier, later
    depth_only: bool = False  # no teacher labels it

    def camera_at(self, width: int, height: int) -> Camera:
        """The camera of the recorded picture; a centred 60-degree pinhole where none is known."""
        if self.camera is None:
            return Camera.guess(width, height)
        return recorded_camera(self.camera, width, height)

    def road(self) -> Plane:
        """The road in the camera's frame, as `Mounting.road`; NaN without a camera file."""
        return UNKNOWN_ROAD if self.camera is None else read_camera(self.camera).mounting.road

    def driven(self, gap_s: float) -> tuple[Matrix, Matrix]:
        """Motion of the camera to each neighbour by the vehicle's word, NaN where it is silent."""
        if self.neighbours is None or self.vehicles[0] is None:
            return UNKNOWN, UNKNOWN
        mounting = Mounting() if self.camera is None else read_camera(self.camera).mounting
        now, *others = (None if path is None else read_vehicle(path) for path in self.vehicles)
        earlier, later = (
            UNKNOWN if other is None else camera_motion((now, other), seconds, mounting)
            for other, seconds in zip(others, (-gap_s, gap_s), strict=True)
        )
        return earlier, later

    def travel_m(self, gap_s: float) -> float:
        """Way of the camera to the neighbour farther away, in metres; NaN where nobody tells."""
        return float(max(np.linalg.norm(motion[:3, 3]) for motion in self.driven(gap_s)))


@dataclass(frozen=True)
class Pools:
    """The two pools that batches are drawn from, and how the labelled one was chosen."""

    labelled: tuple[Clip, ...]
    unlabelled: tuple[Clip, ...]
    split: LabelSplit

    @property
    def clips(self) -> tuple[Clip, ...]:
        """Every frame of both, once."""
        return tuple({clip.name: clip for clip in (*self.labelled, *self.unlabelled)}.values())


def training_pools(config: DataConfig) -> Pools:
    """Sort the frames of the split 'train' into the labelled and the unlabelled pool.

    A label outside the chosen ones is never listed, so that nothing can learn from it.
    """
    layout = scan(config.root, TRAIN)
    chosen = label_split(
        layout.images.keys() & layout.labels.keys(), config.labels, config.split_seed
    )
    labelled = tuple(_clip(layout, name, config, with_label=True) for name in chosen.labelled)
    kept = set(chosen.labelled)
    rest = [name for name in layout.images if name not in kept]
    unlabelled = [_clip(layout, name, config) for name in rest]
    unlabelled += _extra_clips(layout, config)
    if config.pool_includes_labelled:
        unlabelled += labelled
    if config.clips_only:
        unlabelled = [clip for clip in unlabelled if clip.neighbours]
    if config.least_travel_m:
        unlabelled = _those_that_travel(unlabelled, config)
    pools = Pools(labelled, tuple(sorted(unlabelled, key=lambda clip: clip.name)), chosen)
    require_frames(pools, config)
    _mention_guessed_cameras(pools)
    return pools


def _clip(layout: Layout, name: str, config: DataConfig, with_label: bool = False) -> Clip:
    image = layout.picture(name)
    assert image is not None, name
    gap, vehicles = config.neighbour_gap, layout.vehicles
    return Clip(
        name=name,
        image=image,
        neighbours=layout.neighbours(name, gap),
        label=layout.labels[name] if with_label else None,
        camera=layout.camera(name),
        vehicles=(
            vehicles.get(name),
            vehicles.get(shifted(name, -gap)),
            vehicles.get(shifted(name, gap)),
        ),
    )


def _extra_clips(layout: Layout, config: DataConfig) -> list[Clip]:
    """The sequence frames asked for that have both neighbours and are in no pool already."""
    asked = layout.snippet_frames(config.extra_unlabelled)
    new = [name for name in asked if name not in layout.images]
    there = [_clip(layout, name, config) for name in new if name in layout.sequence]
    depth_only = config.extra_depth_only
    whole = [replace(clip, depth_only=depth_only) for clip in there if clip.neighbours]
    if len(whole) < len(new):
        logger.info(
            'of %d frames that data.extra_unlabelled asks for %d are not in leftImg8bit_sequence '
            'and %d lack a neighbour; these stay out',
            len(asked),
            len(new) - len(there),
            len(there) - len(whole),
        )
    return whole


def _those_that_travel(clips: list[Clip], config: DataConfig) -> list[Clip]:
    """The clips whose camera moves far enough to a neighbour; those without any stay as well."""
    least_m, gap_s = config.least_travel_m, config.neighbour_gap * config.frame_period_s
    require_told_motion(clips, f'data.least_travel_m is {least_m}', 'set data.least_travel_m to 0')
    kept = [clip for clip in clips if not clip.neighbours or clip.travel_m(gap_s) >= least_m]
    logger.info(
        'data.least_travel_m %g leaves %d of %d unlabelled frames', least_m, len(kept), len(clips)
    )
    return kept


def _mention_guessed_cameras(pools: Pools) -> None:
    guessed = [clip for clip in pools.clips if clip.camera is None]
    moving = [clip.name for clip in guessed if clip.neighbours]
    if guessed:
        logger.info(
            '%d of %d frames have no camera file: a centred 60-degree pinhole is assumed',
            len(guessed),
            len(pools.clips),
        )
    if moving:
        logger.warning(
            '%d frames with neighbours have no camera file (first: %s): depth learnt '
            'from them follows an assumed camera',
            len(moving),
            moving[0],
        )
