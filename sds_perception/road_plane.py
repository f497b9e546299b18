"""The road as a plane, found by the semantics and fitted to the depth, whatever the depth's unit.

On a plane n . p = distance, seen along rays r (z = 1), inverse depth is linear in the ray:
1 / z = m . r with m = n / distance. The residual used is log(z m . r), the logarithm of depth over
the plane's depth, which has no unit; so scaling the depth by k scales the distance by k exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sds_perception.camera import Camera
from sds_perception.labels import ROAD

_MIN_DESCENT = 0.06  # of a ray per unit forward: at 1.65 m height the road within 27 m
_CANDIDATES, _SAMPLES = 16000, 4000  # pixels looked at, road pixels fitted
_MIN_SAMPLES = 100
_ENOUGH_ROAD = 0.15  # of the picture's part below the horizon; more does not raise the quality
_HYPOTHESES, _SCORED = 64, 1000
_INLIER = 0.1  # |log ratio| up to which a pixel agrees with the plane
_TUKEY, _SIGMA_FLOOR = 4.685, 0.01
_REFINEMENTS, _STEP_DONE = 8, 1e-5
_MAX_TILT_RAD = np.radians(25.0)  # of the normal against the picture's vertical

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class RoadPlane:
    """A fitted road."""

    normal: Vector  # (3,) unit, pointing down: (0, 1, 0) for a level camera
    distance: float  # of the camera from the plane, in the depth's unit
    quality: float  # 0..1: inlier share x share of road seen x plausibility of the normal


class RoadPlaneFinder:
    """Finds road planes in the scenes of one camera; the grid of rays is made once."""

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        top = int(np.ceil(camera.cy + _MIN_DESCENT * camera.fy))
        self._top = min(max(top, 0), camera.height)
        area = (camera.height - self._top) * camera.width
        self._stride = max(1, int(np.sqrt(area / _CANDIDATES)))
        rays = camera.rays()[self._top :: self._stride, :: self._stride]
        self._rays = rays.reshape(-1, 3).astype(np.float64)

    def find(self, labels: NDArray[np.uint8], depth: NDArray[np.float32]) -> RoadPlane | None:
        """The plane under (H, W) labels and depth; None with too little road to fit one."""
        z = depth[self._top :: self._stride, :: self._stride].reshape(-1)
        label = labels[self._top :: self._stride, :: self._stride].reshape(-1)
        road = np.flatnonzero((label == ROAD) & (z > 0) & (z < np.inf))
        if len(road) < _MIN_SAMPLES:
            return None
        picked = road[:: -(-len(road) // _SAMPLES)]
        rays, log_z = self._rays[picked], np.log(z[picked].astype(np.float64))
        m = _best_hypothesis(rays, log_z)
        m = _refined(rays, log_z, m) if m is not None else None
        if m is None:
            return None
        return _plane(m, rays, log_z, road_share=len(road) / len(z))


def _plane(m: Vector, rays: Vector, log_z: Vector, road_share: float) -> RoadPlane:
    length = float(np.linalg.norm(m))
    normal = m / length
    tilt = float(np.arccos(np.clip(normal[1], -1.0, 1.0)))
    inliers = (np.abs(_residuals(m, rays, log_z)) < _INLIER).mean()
    plausible = max(0.0, 1.0 - (tilt / _MAX_TILT_RAD) ** 2)
    quality = inliers * min(1.0, road_share / _ENOUGH_ROAD) * plausible
    return RoadPlane(normal, 1.0 / length, float(quality))


def _residuals(m: Vector, rays: Vector, log_z: Vector) -> Vector:
    """(..., N) logarithms of depth over the depth of plane `m` (..., 3)."""
    return np.log(np.maximum(m @ rays.T, 1e-12)) + log_z  # very negative where a ray misses it


def _best_hypothesis(rays: Vector, log_z: Vector) -> Vector | None:
    """(3,) the best of planes through three pixels each; the same pixels for the same frame."""
    triples = np.random.default_rng(0).integers(0, len(rays), (_HYPOTHESES, 3))
    triples = triples[np.abs(np.linalg.det(rays[triples])) > 1e-6]  # three pixels in a line
    if not len(triples):
        return None
    inverse_z = np.exp(-log_z[triples])
    planes = np.linalg.solve(rays[triples], inverse_z[..., None])[..., 0]
    scored = slice(None, None, -(-len(rays) // _SCORED))
    misfit = np.minimum(np.abs(_residuals(planes, rays[scored], log_z[scored])), _INLIER)
    return planes[misfit.sum(axis=1).argmin()]


def _refined(rays: Vector, log_z: Vector, m: Vector) -> Vector | None:
    """Gauss-Newton on the log residuals with Tukey's weights: what is far off counts nothing."""
    for _ in range(_REFINEMENTS):
        residual = _residuals(m, rays, log_z)
        sigma = max(1.4826 * float(np.median(np.abs(residual))), _SIGMA_FLOOR)
        weight = np.maximum(1.0 - (residual / (_TUKEY * sigma)) ** 2, 0.0) ** 2
        jacobian = rays / np.maximum(rays @ m, 1e-12)[:, None]
        weighted = jacobian * weight[:, None]
        try:
            step = np.linalg.solve(weighted.T @ jacobian, weighted.T @ residual)
        except np.linalg.LinAlgError:  # a strip of road too thin to span a plane
            return None
        m = m - step
        if np.abs(step).max() < _STEP_DONE * np.abs(m).max():
            break
    return m if np.isfinite(m).all() and m.any() else None
