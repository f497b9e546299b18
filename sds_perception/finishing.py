"""The end of a frame's walk, the same in the node and offline: hood, lens, metres, range."""

from __future__ import annotations

from sds_perception.calibration import Calibration
from sds_perception.ego_hood import HoodMask
from sds_perception.metric_scale import FirstKnown, ScaleEstimate, in_metres
from sds_perception.scene import Scene


def finished(
    scene: Scene,
    calibration: Calibration | None,
    hood: HoodMask | None,
    scales: FirstKnown,
    max_depth_m: float | None,
) -> tuple[Scene, ScaleEstimate | None]:
    """The scene without hood, in metres where a source knows them, NaN beyond the range.

    Args:
        scene: the next of its stream; its arrays are changed in place.
        calibration: of its frame; what no ray of the lens reaches is blanked.
        hood: where the vehicle sees itself.
        scales: the sources of metres, of which the first that knows counts.
        max_depth_m: farther depth is left out; None keeps all.

    Returns:
        The scene, and where its metres come from; None where its depth is relative.
    """
    if hood is not None:
        hood.blank(scene)
    outside = calibration.outside(scene.size) if calibration else None
    if outside is not None:
        scene.blank(outside)
    estimate = scales.update(scene)
    return in_metres(scene, estimate, max_depth_m), estimate
