"""What a run knows of its data, camera and code when it begins; it ends up in the release."""

from __future__ import annotations

from dataclasses import asdict
from statistics import median
from typing import Any

from sds_perception.camera import Camera
from sds_training.config import TrainingConfig
from sds_training.data.cache import CachedFiles, OriginalFiles
from sds_training.data.cityscapes import digest_of
from sds_training.data.clips import Clip, Pools
from sds_training.data.config import DataConfig
from sds_training.data.loading import open_files
from sds_training.data.requirements import require_supervision
from sds_training.export import code_version

# At least so many frames, where there are as many, and fewer than twice as many decide the
# training camera: what a run began with is compared when it goes on, so this may not change.
CAMERAS_READ = 64


def data_passport(config: TrainingConfig, pools: Pools) -> dict[str, Any]:
    """Plain JSON values: the split and its digest, the pool, the canonical camera, the commit."""
    require_supervision(config, pools)
    return {
        'data': {
            **pools.split.provenance(),
            'pool': len(pools.unlabelled),
            'pool_sha256': digest_of(sorted(clip.name for clip in pools.unlabelled)),
        },
        'camera': asdict(median_camera(config.data, pools)),
        'commit': code_version(),
    }


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
    cameras = [_resized_camera(clip, files) for clip in some]
    width, height = config.size
    return Camera(
        median(each.fx for each in cameras),
        median(each.fy for each in cameras),
        (width - 1) / 2,
        (height - 1) / 2,
        width,
        height,
    )


def _resized_camera(clip: Clip, files: CachedFiles | OriginalFiles) -> Camera:
    picture = files.read(clip.image)
    height, width = picture.pixels.shape[:2]
    return clip.camera_at(*picture.recorded).resized(width, height)
