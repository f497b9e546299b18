"""What a run knows of its data, camera and code when it begins; it ends up in the release."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from sds_perception.brightness import intensity
from sds_perception.camera import Camera
from sds_training.config import TrainingConfig
from sds_training.data.cache import CachedFiles, OriginalFiles
from sds_training.data.cityscapes import digest_of
from sds_training.data.clips import Clip, Pools
from sds_training.data.config import DataConfig
from sds_training.data.loading import open_files
from sds_training.data.requirements import require_supervision
from sds_training.export import code_version, scale_source
from sds_training.run.origin import Origin, read_origin, respelled
from sds_training.run.run_state import newest_readable, require_same_config

# At least so many frames, where there are as many, and fewer than twice as many decide the
# training camera: what a run began with is compared when it goes on, so this may not change.
CAMERAS_READ = 64
PICTURES_READ = 64  # the same for their brightness
DARK_SHARE = 0.1
SAME_SHAPE = 0.02  # the most that width / height may differ by and nobody sees it

KEPT_MEANING = ('start_size', 'camera', 'depth_scale_source')

logger = logging.getLogger(__name__)


class Before(NamedTuple):
    """What networks knew before this part of a run: of the run itself, or else of its start."""

    state: dict[str, Any] | None = None  # the newest of a run that goes on
    origin: Origin | None = None  # of one that begins with other networks

    @property
    def passport(self) -> dict[str, Any] | None:
        """What a run that goes on knew when it was saved."""
        return json.loads(self.state['passport']) if self.state else None


def known_before(config: TrainingConfig) -> Before:
    """Of a run that goes on, the file it started from need not be there any more.

    Raises:
        RunStateError: when the folder holds the run of another config, or states of which none
            can be read.
    """
    state = newest_readable(config.run_dir)
    if state is None:
        return Before(origin=read_origin(config.init_from) if config.init_from else None)
    values, passport = json.loads(state['config']), json.loads(state['passport'])
    require_same_config(config, respelled(values, passport, config.init_from))
    return Before(state)


def data_passport(config: TrainingConfig, pools: Pools, before: Before) -> dict[str, Any]:
    """Plain JSON values: split and pool, the canonical camera, what tells metres, the commit."""
    require_supervision(config, pools)
    return {
        'data': {
            **pools.split.provenance(),
            'pool': len(pools.unlabelled),
            'pool_sha256': digest_of(sorted(clip.name for clip in pools.unlabelled)),
        },
        'camera': asdict(median_camera(config.data, pools)),
        'depth_scale_source': scale_source(config),
        'commit': code_version(),
        'brightness': shown_brightness(config.data, pools, before),
        **kept_meaning(config, before),
    }


def kept_meaning(config: TrainingConfig, before: Before) -> dict[str, Any]:
    """Of a run that keeps depth: the camera it is meant for, and its scale where nothing else is.

    What is kept stays as it was said behind the camera of `init_from`, in its metres. Behind the
    median camera of other frames the same disparity would be another depth.
    """
    if not config.loss.kept_depth:
        return {}
    if (known := before.passport) is not None:
        return {name: known[name] for name in KEPT_MEANING if name in known}
    origin = before.origin
    assert origin is not None, 'a config that keeps depth has an init_from'
    kept: dict[str, Any] = {'start_size': origin.size}
    if origin.camera:
        kept['camera'] = asdict(origin.camera.resized(*config.data.size))
    if not config.loss.depth and not config.scale_sources:
        kept['depth_scale_source'] = origin.scale
    return kept


def median_camera(config: DataConfig, pools: Pools) -> Camera:
    """The median camera of the training frames, centred, at `config.size`.

    Depth is learnt as it would look behind this focal length and corrected by the focal ratio of
    each frame, in training and on the vehicle: pictures through lenses of different length would
    otherwise contradict each other.
    """
    files = open_files(config, pools.clips)
    clips = [*pools.unlabelled, *pools.labelled]
    calibrated = [clip for clip in clips if clip.camera is not None] or clips
    some = calibrated[:: max(1, len(calibrated) // CAMERAS_READ)]
    cameras, shapes = zip(*(_resized_camera(clip, files) for clip in some), strict=True)
    mention_other_shape(config, median(width / height for width, height in shapes))
    width, height = config.size
    return Camera(
        median(each.fx for each in cameras),
        median(each.fy for each in cameras),
        (width - 1) / 2,
        (height - 1) / 2,
        width,
        height,
    )


def shown_brightness(config: DataConfig, pools: Pools, before: Before) -> float:
    """What darker frames are brought to, in training as on the vehicle (`brightness.py`).

    As the run began, whatever that was; as its start is used to; else as its own frames are.
    """
    if (known := before.passport) is not None:
        return float(known.get('brightness', 0.0))
    of_start = before.origin.brightness if before.origin else 0.0
    return of_start or usual_brightness(config, pools)


def usual_brightness(config: DataConfig, pools: Pools) -> float:
    """The intensity that nine in ten of the training frames have: one tunnel must not decide."""
    files, clips = open_files(config, pools.clips), [*pools.unlabelled, *pools.labelled]
    some = clips[:: max(1, len(clips) // PICTURES_READ)]
    found = [intensity(files.read(clip.image).pixels) for clip in some]
    return round(float(np.quantile(found, DARK_SHARE)), 3)


def mention_other_shape(config: DataConfig, aspect: float) -> None:
    """Say so where the network will see pictures of this width / height in another shape."""
    width, height = config.size
    wider = aspect * height / width
    if config.fit == 'cover' and abs(wider - 1) > SAME_SHAPE:
        logger.warning(
            'data.size %dx%d has another shape than the pictures (width / height %.2f): training '
            'crops them, but evaluation and vehicle stretch theirs to it, which look %.2f times '
            'as wide in training; wanted a size of their shape, or data.fit stretch',
            *(width, height, aspect, wider),
        )


def _resized_camera(
    clip: Clip, files: CachedFiles | OriginalFiles
) -> tuple[Camera, tuple[int, int]]:
    """The camera of a picture as training has it, and the picture's recorded size."""
    picture = files.read(clip.image)
    height, width = picture.pixels.shape[:2]
    return clip.camera_at(*picture.recorded).resized(width, height), picture.recorded
