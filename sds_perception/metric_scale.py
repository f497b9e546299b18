"""Relative depth to metres, with a figure that says how far to believe it.

Depth learnt from one moving camera has no unit. Three things can give it one: the release (it was
trained metric), a fixed factor, or the height of the camera above the road that our own semantics
found. An estimate says which it was, how good, and how old; without one the depth stays relative.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from sds_perception.camera import Camera
from sds_perception.road_plane import RoadPlane, RoadPlaneFinder
from sds_perception.scene import Scene

Source = Literal['release', 'fixed', 'camera_height']
Status = Literal['measured', 'held']
LATE_S = 0.5  # a stamp older than its predecessor by less is a straggler, by more a new start
_FADED = 0.05  # a measurement of full quality comes to this in 430 frames without road


@dataclass(frozen=True)
class ScaleEstimate:
    """What one unit of depth is worth, and why we think so."""

    factor: float  # metres per unit of the scene's depth
    quality: float  # 0..1
    source: Source
    status: Status
    age_frames: int = 0  # frames since the last measurement


class MetricScale(Protocol):
    """Whatever can say what a scene's depth is worth in metres."""

    def update(self, scene: Scene) -> ScaleEstimate | None:
        """The estimate for this scene, the next of its stream; None where nothing is known."""
        ...

    def reset(self) -> None:
        """Forget the past: the stream jumped in time or belongs to another drive."""
        ...


def apply(scene: Scene, estimate: ScaleEstimate) -> Scene:
    """The scene in metres; the scene itself where it is metric already."""
    if scene.depth_kind == 'metric' and estimate.factor == 1.0:
        return scene
    depth = scene.depth * np.float32(estimate.factor)
    return replace(scene, depth=depth, depth_kind='metric')


class ReleaseScale:
    """Trusts the release: depth it calls metric is in metres, other depth has no scale."""

    def update(self, scene: Scene) -> ScaleEstimate | None:
        """Factor 1 for metric depth, nothing for relative depth."""
        if scene.depth_kind == 'relative':
            return None
        return ScaleEstimate(1.0, 1.0, 'release', 'measured')

    def reset(self) -> None:
        """Nothing is remembered."""


class FixedScale:
    """A factor somebody measured beforehand for this camera and this release."""

    def __init__(self, factor: float) -> None:
        """`factor` is metres per unit of relative depth: not yet scaled to a known lens."""
        self.factor = _positive('scale factor', factor)

    def update(self, scene: Scene) -> ScaleEstimate:
        """The same metres whether the lens is known or not; nobody checks them: see the source."""
        return ScaleEstimate(self.factor / scene.lens_ratio, 1.0, 'fixed', 'measured')

    def reset(self) -> None:
        """Nothing is remembered."""


class CameraHeightScale:
    """The camera hangs a known height above the road, so the road tells the scale.

    Args:
        height_m: of the camera's centre above the road, perpendicular to it.
        window_frames: the factor is the median of this many measurements; one bad frame in it
            changes nothing, and a new scale is believed after half of it.
        min_quality: measurements below it are not used; the last scale is held.
        half_life_frames: while held, the quality halves in this many frames.
    """

    def __init__(
        self,
        height_m: float,
        *,
        window_frames: int = 15,
        min_quality: float = 0.25,
        half_life_frames: int = 100,
    ) -> None:
        self.height_m = _positive('camera height', height_m)
        self.min_quality, self.half_life_frames = min_quality, half_life_frames
        self._factors: deque[float] = deque(maxlen=window_frames)
        self._quality, self._age_frames = 0.0, 0
        self._finder: RoadPlaneFinder | None = None

    def update(self, scene: Scene) -> ScaleEstimate | None:
        """Measure in this scene if its road allows it, else hold what is known.

        Without a camera nothing is known, whatever was measured before.
        """
        if scene.camera is None:  # the factors are of depth that was scaled to a known lens
            return None
        plane = self._plane(scene, scene.camera)
        if plane is None or plane.quality < self.min_quality:
            return self._held()
        self._factors.append(self.height_m / plane.distance)
        self._quality, self._age_frames = plane.quality, 0
        return ScaleEstimate(self._factor(), plane.quality, 'camera_height', 'measured')

    def reset(self) -> None:
        """Forget every measurement; the scale is unknown until the road is seen again."""
        self._factors.clear()

    def _plane(self, scene: Scene, camera: Camera) -> RoadPlane | None:
        if self._finder is None or self._finder.camera != camera:
            if self._finder and not _same_lens(self._finder.camera, camera):
                self.reset()  # what the network calls far depends on the lens
            self._finder = RoadPlaneFinder(camera)
        return self._finder.find(scene.labels, scene.depth)

    def _held(self) -> ScaleEstimate | None:
        if not self._factors:
            return None
        self._age_frames += 1
        quality = self._quality * 0.5 ** (self._age_frames / self.half_life_frames)
        return ScaleEstimate(self._factor(), quality, 'camera_height', 'held', self._age_frames)

    def _factor(self) -> float:
        return float(np.exp(np.median(np.log(self._factors))))  # ratios average as logarithms


class FirstKnown:
    """Asks several sources in order; the first that knows wins, none means relative depth.

    What was held for so long that hardly anything is left of its quality wins only where no other
    source knows better.
    """

    def __init__(self, scales: Sequence[MetricScale]) -> None:
        self._scales = tuple(scales)

    def update(self, scene: Scene) -> ScaleEstimate | None:
        """The first estimate that is not faded, else the best; None where nobody knows any."""
        faded: list[ScaleEstimate] = []
        for scale in self._scales:
            estimate = scale.update(scene)
            if estimate is not None and estimate.quality >= _FADED:
                return estimate
            if estimate is not None:
                faded.append(estimate)
        return max(faded, key=lambda each: each.quality, default=None)

    def reset(self) -> None:
        """Every source forgets its past."""
        for scale in self._scales:
            scale.reset()


def _same_lens(one: Camera, other: Camera) -> bool:
    """Whether they see equally much of the world, at whatever size."""
    views = [(each.fx / each.width, each.fy / each.height) for each in (one, other)]
    return bool(np.allclose(*views, rtol=1e-2))


def in_metres(
    scene: Scene, estimate: ScaleEstimate | None, max_depth_m: float | None = None
) -> Scene:
    """The scene in metres, NaN beyond `max_depth_m`; relative where there is no estimate.

    The depth of `scene` is not to be used afterwards: it may have been changed in place.
    """
    if estimate is None:
        return scene if scene.depth_kind == 'relative' else replace(scene, depth_kind='relative')
    scene = apply(scene, estimate)
    if max_depth_m:
        np.copyto(scene.depth, np.nan, where=scene.depth > max_depth_m)
    return scene


def _positive(name: str, value: float) -> float:
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f'{name} must be positive and finite, got {value}')
    return float(value)
