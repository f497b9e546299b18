"""Casts rays with Embree: which triangle each pixel sees, and what stands in the sun's way.

What stands still is built once a drive, what moves once a frame; the nearer hit wins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from sds_training.streets.mesh import Floats, Mesh, cross, flat_normals

_LIFT_M = 2e-3  # shadow rays start a little off their surface


class Surfaces:
    """A mesh that can be hit, with all a hit needs to be shaded, one row per triangle."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self._scene = EmbreeScene()
        TriangleMesh(self._scene, np.ascontiguousarray(mesh.corners, np.float32))
        self.flat = flat_normals(mesh.corners)
        self.uv_per_m = _uv_gradients(mesh, self.flat)  # (T, 2, 3)

    def cast(self, origins: Floats, directions: Floats) -> tuple[NDArray, Floats, Floats]:
        """Triangle numbers (-1: none), distances in lengths of the ray, and (N, 2) weights."""
        hit = self._scene.run(origins, directions, query='INTERSECT', output=1)
        return hit['primID'], hit['tfar'], np.stack((hit['u'], hit['v']), -1)

    def blocked(self, origins: Floats, directions: Floats, reach: float) -> NDArray[np.bool_]:
        """Whether anything stands within `reach` lengths of each ray."""
        limits = np.full(len(origins), reach, np.float32)
        return self._scene.run(origins, directions, dists=limits, query='OCCLUDED') == 0


def _uv_gradients(mesh: Mesh, flat: Floats) -> Floats:
    """(T, 2, 3) change of texture metres with a step in the world along each triangle."""
    first, second = (mesh.corners[:, k] - mesh.corners[:, 0] for k in (1, 2))
    dual_first, dual_second = cross(second, flat), cross(flat, first)
    volume = (first * dual_first).sum(1)
    volume = np.where(np.abs(volume) < 1e-9, np.inf, volume)[:, None, None]
    steps = mesh.uv[:, 1:] - mesh.uv[:, :1]  # (T, edge, 2)
    gradients = steps[:, 0, :, None] * dual_first[:, None] + (
        steps[:, 1, :, None] * dual_second[:, None])  # fmt: skip
    return gradients / volume


@dataclass(frozen=True)
class Hits:
    """What N rays met; rows that met the sky have `found` False and no meaning elsewhere."""

    found: NDArray[np.bool_]
    distance: Floats  # in lengths of the ray
    normal: Floats  # (N, 3) smooth, towards the eye
    flat: Floats  # (N, 3) of the triangle itself, towards the eye
    uv: Floats  # (N, 2)
    uv_per_m: Floats  # (N, 2, 3)
    texture: NDArray[np.int16]
    tint: Floats
    gloss: Floats
    glow: Floats
    label: NDArray[np.uint8]
    thing: NDArray[np.int32]


class Tracer:
    """The standing and the moving surfaces of one frame."""

    def __init__(self, standing: Surfaces, moving: Surfaces | None) -> None:
        self._groups = [standing] if moving is None else [standing, moving]

    def look(self, origin: Floats, directions: Floats, maybe_moving: NDArray[np.bool_]) -> Hits:
        """The nearest hit of rays from one eye; only `maybe_moving` (N,) rays ask the movers."""
        origins = np.ascontiguousarray(np.broadcast_to(origin, directions.shape), np.float32)
        best = self._groups[0].cast(origins, directions)
        moving = np.zeros(len(directions), bool)
        asked = np.flatnonzero(maybe_moving)
        if len(self._groups) > 1 and len(asked):
            other = self._groups[1].cast(origins[asked], directions[asked])
            nearer = (other[0] >= 0) & ((best[0][asked] < 0) | (other[1] < best[1][asked]))
            won = asked[nearer]
            moving[won] = True
            for mine, theirs in zip(best, other, strict=True):
                mine[won] = theirs[nearer]
        return self._gather(moving, *best, directions)

    def _gather(
        self, moving: NDArray, triangle: NDArray, distance: Floats, weights: Floats, rays: Floats
    ) -> Hits:
        found = triangle >= 0
        triangle = np.where(found, triangle, 0)
        uvw = np.concatenate((1 - weights.sum(1, keepdims=True), weights), axis=1)

        def rows(read) -> NDArray:
            values = read(self._groups[0])[np.where(moving, 0, triangle)]
            if moving.any():
                values[moving] = read(self._groups[1])[triangle[moving]]
            return values

        normal = np.einsum('nc,ncd->nd', uvw, rows(lambda g: g.mesh.normals))
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
        flat = rows(lambda g: g.flat)
        flat *= -np.sign((flat * rays).sum(1, keepdims=True) + 1e-12)
        normal *= np.where((normal * flat).sum(1, keepdims=True) < 0, -1, 1)
        return Hits(
            found, np.where(found, distance, np.inf).astype(np.float32), normal, flat,
            np.einsum('nc,ncd->nd', uvw, rows(lambda g: g.mesh.uv)), rows(lambda g: g.uv_per_m),
            *(rows(lambda g, k=k: getattr(g.mesh, k))
              for k in ('texture', 'tint', 'gloss', 'glow', 'label', 'thing')),
        )  # fmt: skip

    def shaded(
        self, points: Floats, normals: Floats, direction: Floats, reach: float = 400.0
    ) -> NDArray[np.bool_]:
        """Whether points (N, 3) see something along `direction` (3,) within `reach` metres."""
        origins = (points + normals * np.float32(_LIFT_M)).astype(np.float32)
        directions = np.ascontiguousarray(np.broadcast_to(direction, origins.shape), np.float32)
        dark = np.zeros(len(points), bool)
        for group in self._groups:
            lit = np.flatnonzero(~dark)
            dark[lit] = group.blocked(origins[lit], directions[lit], reach)
        return dark
