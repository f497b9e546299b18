"""What to learn from, and how it is cut to size; every field can be set in a training file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sds_training.data.cityscapes import DataError


@dataclass(frozen=True)
class DataConfig:
    """One data folder, the frames taken from it, and the batches made of them."""

    root: str = ''
    """The Cityscapes-shaped folder; see docs/data.md."""

    cache: str | None = None
    """Where sds-prepare wrote its resized copies; by default `.sds_cache` inside the root."""

    use_cache: bool = True
    """False reads and resizes the original files for every sample: for tiny folders only."""

    size: tuple[int, int] = (1024, 512)
    """Width and height in pixels that every frame is resized to before anything else."""

    fit: Literal['cover', 'stretch'] = 'cover'
    """How frames of another shape meet `size`: keep their aspect and cover it, or be stretched."""

    crop: tuple[int, int] = (512, 512)
    """Width and height in pixels of the random crop that the network sees."""

    labels: int | str = 'all'
    """How many labelled frames may be used with their labels (Cityscapes: 100, 372, 744, 2975),
    'all', or a text file that lists them: names or paths of pictures, one a line."""

    split_seed: int = 0
    """Seed of the city-balanced choice of the labelled frames; without a say where a file lists
    them."""

    rare_class_temperature: float = 0.0
    """How evenly labelled frames are drawn by class: small favours the rarest (0.01 to 0.1);
    0 walks through all frames in turn."""

    labelled_batch: int = 2
    """Labelled frames per step and process."""

    unlabelled_batch: int = 2
    """Frames of the unlabelled pool per step and process."""

    pool_includes_labelled: bool = True
    """Whether the unlabelled pool also holds the labelled frames, with their labels."""

    extra_unlabelled: tuple[int, ...] | Literal['all'] = ()
    """Positions (0..29, 19 is the labelled one) in each snippet of sequence frames that join the
    unlabelled pool; only frames with both neighbours join. 'all' takes every one."""

    extra_depth_only: bool = False
    """Whether these teach depth alone: video of another kind than the labelled pictures, where the
    teacher would be surely wrong, gets no pseudo labels."""

    clips_only: bool = False
    """Whether frames without both neighbours stay out of the unlabelled pool: for depth alone."""

    least_travel_m: float = 0.0
    """Way to a neighbour, in metres by the vehicle's word, that lets a frame into the unlabelled
    pool: a camera at rest sees no parallax. 0 lets in all; more needs vehicle files."""

    neighbour_gap: int = 1
    """Distance in frames from a frame to its earlier and its later neighbour."""

    frame_period_s: float = 1 / 17
    """Time from one sequence frame to the next; Cityscapes records 17 per second."""

    flip_probability: float = 0.5
    """Probability that a sample is mirrored left to right."""

    scale_range: tuple[float, float] = (1.0, 1.0)
    """Smallest and largest random enlargement before the crop; never below what the crop needs."""

    workers: int = 0
    """Loader processes; 0 is fastest with a cache on few cores, 4 to 8 on a GPU host."""

    def __post_init__(self) -> None:
        if self.fit not in ('cover', 'stretch'):
            raise DataError(f"data.fit is {self.fit!r}, wanted 'cover' or 'stretch'")
        for side, crop, size in zip(('wide', 'high'), self.crop, self.size, strict=True):
            if not 1 <= crop <= size:
                raise DataError(
                    f'data.crop is {crop} px {side}, wanted 1 to {size}: a crop lies in data.size'
                )
        self._check_ranges()
        if self.extra_depth_only and not self.extra_unlabelled:
            raise DataError(
                'data.extra_depth_only is true and data.extra_unlabelled names no frames for it'
            )
        if self.labelled_batch + self.unlabelled_batch < 1:
            raise DataError('data.labelled_batch and data.unlabelled_batch are both 0')

    def _check_ranges(self) -> None:
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise DataError(f'data.{name} is {getattr(self, name)}, wanted {least} or more')
        if not 0.0 <= self.flip_probability <= 1.0:
            raise DataError(f'data.flip_probability is {self.flip_probability}, wanted 0 to 1')
        if not 0.0 < self.scale_range[0] <= self.scale_range[1]:
            raise DataError(f'data.scale_range is {self.scale_range}, wanted 0 < least <= largest')
        if not self.frame_period_s > 0:
            raise DataError(f'data.frame_period_s is {self.frame_period_s}, wanted more than 0')

    @property
    def cache_dir(self) -> Path:
        """The folder of the copies of this size and fit."""
        base = Path(self.cache) if self.cache else Path(self.root) / '.sds_cache'
        return base / f'{self.size[0]}x{self.size[1]}-{self.fit}'


_LEAST = {
    'labelled_batch': 0,
    'unlabelled_batch': 0,
    'least_travel_m': 0,
    'neighbour_gap': 1,
    'workers': 0,
    'rare_class_temperature': 0,
}
