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
        self._scene = EmbreeScene()
        TriangleMesh(self._scene, np.ascontiguousarray(mesh.corners, np.float32))
        flat, count = flat_normals(mesh.corners), len(mesh)
        # One row per triangle: what a hit needs comes from one place in memory.
        self.looks = np.concatenate(
            (mesh.normals.reshape(count, 9), mesh.uv.reshape(count, 6), flat,
             _uv_gradients(mesh, flat).reshape(count, 6), mesh.tint, mesh.gloss[:, None],
             mesh.glow[:, None]), axis=1, dtype=np.float32,
        )  # (T, 29)  # fmt: skip
        self.ids = np.stack((mesh.texture, mesh.label, mesh.thing), 1).astype(np.int32)

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
    volume = dot(first, dual_first)
    volume = np.where(np.abs(volume) < 1e-9, np.inf, volume)[:, None, None]
    steps = mesh.uv[:, 1:] - mesh.uv[:, :1]  # (T, edge, 2)
    gradients = steps[:, 0, :, None] * dual_first[:, None] + (
        steps[:, 1, :, None] * dual_second[:, None])  # fmt: skip
    return gradients / volume


@dataclass(frozen=True)
class Hits:
    """What N rays met: M of them something, the others the sky; arrays have M rows."""

    rays: int  # N
    rows: NDArray[np.intp]  # which of the N rays met something
    distance: Floats  # in lengths of the ray
    normal: Floats  # (M, 3) smooth, towards the eye
    flat: Floats  # (M, 3) of the triangle itself, towards the eye
    uv: Floats  # (M, 2)
    uv_per_m: Floats  # (M, 2, 3)
    tint: Floats  # (M, 3)
    gloss: Floats
    glow: Floats
    texture: NDArray[np.int16]
    label: NDArray[np.uint8]
    thing: NDArray[np.int32]

    def spread(self, values: NDArray, sky: float) -> NDArray:
        """(N,) from (M,) values, `sky` where nothing was met."""
        out = np.full(self.rays, sky, values.dtype)
        out[self.rows] = values
        return out


def dot(a: Floats, b: Floats) -> Floats:
    """(N,) scalar products of (N, 3) rows."""
    return np.einsum('ni,ni->n', a, b)


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
        rows = np.flatnonzero(triangle >= 0)
        triangle, moved = triangle[rows], moving[rows]
        standing = np.where(moved, 0, triangle)
        looks, ids = (getattr(self._groups[0], k)[standing] for k in ('looks', 'ids'))
        if moved.any():
            theirs = self._groups[1]
            looks[moved], ids[moved] = theirs.looks[triangle[moved]], theirs.ids[triangle[moved]]
        w = weights[rows]
        first, second, flat = 1 - w[:, :1] - w[:, 1:], w[:, :1], looks[:, 15:18]
        normal = looks[:, 0:3] * first + looks[:, 3:6] * second + looks[:, 6:9] * w[:, 1:]
        uv = looks[:, 9:11] * first + looks[:, 11:13] * second + looks[:, 13:15] * w[:, 1:]
        normal /= np.maximum(np.sqrt(dot(normal, normal)), 1e-6)[:, None]
        flat = flat * np.where(dot(flat, rays[rows]) > 0, np.float32(-1), np.float32(1))[:, None]
        normal *= np.where(dot(normal, flat) < 0, np.float32(-1), np.float32(1))[:, None]
        return Hits(
            len(rays), rows, distance[rows], normal, flat, uv,
            np.ascontiguousarray(looks[:, 18:24]).reshape(-1, 2, 3), looks[:, 24:27],
            looks[:, 27], looks[:, 28], ids[:, 0].astype(np.int16), ids[:, 1].astype(np.uint8),
            ids[:, 2],
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
