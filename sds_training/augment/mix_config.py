"""How pictures are mixed: one frozen description."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sds_training.config_error import ConfigError, require


@dataclass(frozen=True)
class AffineMixConfig:
    """Which movable things AffineMix takes, and how far it moves them (method.md 3.2)."""

    scale_range: tuple[float, float] = (0.6, 1.67)
    """Least and greatest factor on an object's depth, drawn evenly on a logarithmic scale and,
    where lenses differ, within what leaves its picture sharp: below 0.6 it is visibly blurred."""

    area_range: tuple[float, float] = (0.002, 0.2)
    """Least and greatest area of an object that may be moved, as shares of the picture."""

    min_confidence: float = 0.9
    """Least mean probability of an object's pixels for it to be moved."""

    max_objects: int = 3
    """At most this many objects are moved together, by one factor."""

    retries: int = 3
    """How often a rejected choice is drawn again before AffineMix gives up."""

    percentiles: tuple[float, float] = (5.0, 95.0)
    """The moved median depth must lie between these percentiles of the target's, without sky."""

    tolerance: float = 0.05
    """tau: an object is seen while its depth is at most this share greater than the target's."""

    min_visible: float = 0.2
    """Visible fragments smaller than this share of the moved object are dropped."""

    max_shift: float = 0.0
    """Sideways move, at most this share of the picture's width; 0 keeps each in its column."""

    def __post_init__(self) -> None:
        scales, areas, percents = self.scale_range, self.area_range, self.percentiles
        require(0 < scales[0] <= scales[1], 'mix.affine.scale_range', scales, '0 < low <= high')
        rising = 0 <= areas[0] <= areas[1] <= 1
        require(rising, 'mix.affine.area_range', areas, 'to rise within [0, 1]')
        rising = 0 <= percents[0] <= percents[1] <= 100
        require(rising, 'mix.affine.percentiles', percents, 'to rise within [0, 100]')
        sure = self.min_confidence
        require(0 <= sure <= 1, 'mix.affine.min_confidence', sure, '[0, 1]')
        require(self.max_objects >= 1, 'mix.affine.max_objects', self.max_objects, '1 or more')
        require(self.retries >= 0, 'mix.affine.retries', self.retries, '0 or more')


@dataclass(frozen=True)
class MixConfig:
    """How often each mix is drawn for a pair of pictures, and each one's own settings."""

    none: float = 0.0
    """Probability of leaving a picture unmixed."""

    class_mix: float = 0.0
    """Probability of ClassMix: half of one picture's classes onto another (arXiv 2007.07936)."""

    depth_mix: float = 0.5
    """Probability of DepthMix."""

    affine_mix: float = 0.5
    """Probability of AffineMix; where no object will do, DepthMix takes its place, or where that
    has no probability of its own the picture stays unmixed."""

    givers: Literal['pool', 'labelled'] = 'pool'
    """Who gives to the pool's pictures: they to each other (method.md 1.6), or those of the step
    that people labelled, whose objects are known for certain (as in DACS, arXiv 2007.08702)."""

    chain: bool = False
    """Whether AffineMix lays its objects over a DepthMix picture, a variant, and not the clean."""

    depth_margin: float = 0.03
    """How much farther DepthMix's picture may be and still win, in shares of disparity's range."""

    affine: AffineMixConfig = AffineMixConfig()
    """What AffineMix moves and how far."""

    def __post_init__(self) -> None:
        shares = (self.none, self.class_mix, self.depth_mix, self.affine_mix)
        if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
            raise ConfigError(
                f'mix.none, class_mix, depth_mix and affine_mix are {shares}, wanted '
                'probabilities that add up to 1'
            )
