"""From what the network saw to what may be published: no ego hood, metres if known, a range."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sds_perception.calibration import Calibration
from sds_perception.ego_hood import HoodMask
from sds_perception.finishing import finished
from sds_perception.metric_scale import (
    CameraHeightScale,
    FirstKnown,
    FixedScale,
    MetricScale,
    ReleaseScale,
    ScaleEstimate,
)
from sds_perception.ros.node_config import NodeConfig
from sds_perception.scene import Scene


class Finisher:
    """Finishes the scenes of one camera, in the order of their frames."""

    def __init__(self, config: NodeConfig, camera_name: str) -> None:
        self._camera = camera_name
        path = config.hood_mask.replace('{camera}', camera_name)
        self._hood = HoodMask(path) if path else None
        self._told: tuple[object, ...] = ()
        self._scales = FirstKnown(())
        self._epoch = 0
        topic = f'~/{camera_name}/depth_relative' if camera_name else '~/depth_relative'
        self._relative = f'depth is relative, on {topic}'
        self.scale = 'depth is relative'  # a sentence for diagnostics

    def require_fits(self, rgb: NDArray[np.uint8]) -> None:
        """Refuse a picture, (H, W, 3), of another shape than the hood mask, by MaskError."""
        if self._hood is not None:
            self._hood.require_fits((rgb.shape[0], rgb.shape[1]))

    def __call__(self, scene: Scene, calibration: Calibration | None, config: NodeConfig) -> Scene:
        """The scene as `finished` leaves it, by the parameters as they are now."""
        height_m = config.camera_height_m_of(self._camera)
        told = (config.scale_source, height_m, config.fixed_scale_of(self._camera))
        if told != self._told:  # live parameters
            self._told, self._scales = told, FirstKnown(list(_scales(*told)))
        scene, estimate = finished(
            scene, calibration, self._hood, self._scales, config.max_depth_m or None
        )
        self.scale = _sentence(estimate) if estimate else self._relative
        return scene

    def follow(self, epoch: int) -> None:
        """Forget the past of the stream where `epoch` is a new one: its stamps jumped back."""
        if epoch != self._epoch:
            self._scales.reset()
        self._epoch = epoch


def _scales(
    sources: Sequence[str], camera_height_m: float, fixed_scale: float
) -> Iterator[MetricScale]:
    """The sources the operator named and told enough about, in their order."""
    for source in sources:
        if source == 'none':
            return
        if source == 'release':
            yield ReleaseScale()
        elif source == 'camera_height' and camera_height_m > 0:
            yield CameraHeightScale(camera_height_m)
        elif source == 'fixed' and fixed_scale > 0:
            yield FixedScale(fixed_scale)


def _sentence(estimate: ScaleEstimate) -> str:
    held = f', held for {estimate.age_frames} frames' if estimate.status == 'held' else ''
    return (
        f'metres from {estimate.source}: factor {estimate.factor:.4g}, '
        f'quality {estimate.quality:.2f}{held}'
    )
