"""Casts rays with Embree: which triangle each pixel sees, and what stands in the sun's way.

What stands still is built once a drive, what moves once a frame; the nearer hit wins.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from sds_training.streets.mesh import Floats, Mesh, cross, flat_normals

LIFT_M = 2e-3  # shadow rays and mirrored ones start a little off their surface


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
        """Triangle numbers (-1: none), distances in lengths of the ray, and (2, N) weights."""
        hit = self._scene.run(origins, directions, query='INTERSECT', output=1)
        return hit['primID'], hit['tfar'], np.stack((hit['u'], hit['v']))

    def blocked(self, origins: Floats, directions: Floats, reach: float) -> NDArray[np.bool_]:
        """Whether anything stands within `reach` lengths of each ray."""
        limits = np.full(len(origins), reach, np.float32)
        return self._scene.run(origins, directions, dists=limits, query='OCCLUDED') == 0


def _uv_gradients(mesh: Mesh, flat: Floats) -> Floats:
    """(T, 2, 3) change of texture metres with a step in the world along each triangle."""
    first, second = (mesh.corners[:, k] - mesh.corners[:, 0] for k in (1, 2))
    dual_first, dual_second = cross(second, flat), cross(flat, first)
    volume = dot(first.T, dual_first.T)
    volume = np.where(np.abs(volume) < 1e-9, np.inf, volume)[:, None, None]
    steps = mesh.uv[:, 1:] - mesh.uv[:, :1]  # (T, edge, 2)
    gradients = steps[:, 0, :, None] * dual_first[:, None] + (
        steps[:, 1, :, None] * dual_second[:, None])  # fmt: skip
    return gradients / volume


@dataclass(frozen=True)
class Hits:
    """What N rays met: M of them something, the others the sky; arrays have M columns.

    Vectors of many rays are planes, (3, M): numpy works through long rows several times faster
    than through many short ones.
    """

    count: int  # N
    rows: NDArray[np.intp]  # which of the N rays met something
    ray: Floats  # (3, M) as cast, of any length
    distance: Floats  # in lengths of the ray
    normal: Floats  # (3, M) smooth, towards the eye
    flat: Floats  # (3, M) of the triangle itself, towards the eye
    uv: Floats  # (2, M)
    uv_per_m: Floats  # (2, 3, M)
    tint: Floats  # (3, M)
    gloss: Floats
    glow: Floats
    texture: NDArray[np.int32]
    label: NDArray[np.int32]
    thing: NDArray[np.int32]

    def spread(self, values: NDArray, sky: float) -> NDArray:
        """(N,) from (M,) values, `sky` where nothing was met."""
        out = np.full(self.count, sky, values.dtype)
        out[self.rows] = values
        return out


def dot(a: Floats, b: Floats) -> Floats:
    """(N,) scalar products of the columns of (3, N) vectors."""
    return np.einsum('in,in->n', a, b)


class Tracer:
    """The standing and the moving surfaces of one frame."""

    def __init__(self, standing: Surfaces, moving: Surfaces | None) -> None:
        self._groups = [standing] if moving is None else [standing, moving]

    def look(self, origin: Floats, rays: Floats, maybe_moving: NDArray[np.bool_]) -> Hits:
        """The nearest hit of (3, N) rays; only `maybe_moving` (N,) ask the movers.

        They start at one `origin` (3,) or each at its own (N, 3).
        """
        directions = np.ascontiguousarray(rays.T)
        origins = np.ascontiguousarray(np.broadcast_to(origin, directions.shape), np.float32)
        triangle, distance, weights = self._groups[0].cast(origins, directions)
        won = np.zeros(0, np.intp)
        asked = np.flatnonzero(maybe_moving)
        if len(self._groups) > 1 and len(asked):
            other = self._groups[1].cast(*(v.take(asked, axis=0) for v in (origins, directions)))
            nearer = (other[0] >= 0) & ((triangle[asked] < 0) | (other[1] < distance[asked]))
            won = asked[nearer]
            distance[won], weights[:, won] = other[1][nearer], other[2][:, nearer]
            triangle[won] = -1
        stood = np.flatnonzero(triangle >= 0)
        found = [triangle[stood]] + ([other[0][nearer]] if len(won) else [])
        rows = np.concatenate((stood, won))
        looks, ids = (self._pick(name, found) for name in ('looks', 'ids'))
        return _hits(len(directions), rows, rays.take(rows, axis=1), distance.take(rows),
                     weights.take(rows, axis=1), looks, ids)  # fmt: skip

    def _pick(self, name: str, triangles: list[NDArray]) -> NDArray:
        """(planes, M) what the groups know by `name` about their triangles, side by side."""
        tables = [getattr(group, name) for group in self._groups]
        rows = [table.take(n, axis=0) for table, n in zip(tables, triangles, strict=False)]
        found = rows[0] if len(rows) == 1 else np.concatenate(rows)
        return cv2.transpose(found) if len(found) else found.T  # OpenCV knows no empty table

    def shaded(
        self, points: Floats, normals: Floats, direction: Floats, reach: float = 400.0
    ) -> NDArray[np.bool_]:
        """Whether points (3, N) see something along `direction` (3,) within `reach` metres."""
        origins = np.ascontiguousarray((points + normals * np.float32(LIFT_M)).T)
        directions = np.ascontiguousarray(np.broadcast_to(direction, origins.shape), np.float32)
        dark = np.zeros(len(origins), bool)
        for group in self._groups:
            lit = np.flatnonzero(~dark)
            dark[lit] = group.blocked(origins.take(lit, axis=0), directions[: len(lit)], reach)
        return dark


def _hits(
    count: int, rows: NDArray, rays: Floats, distance: Floats, weights: Floats, looks: Floats,
    ids: NDArray,
) -> Hits:  # fmt: skip
    """Blend the corners of each triangle and turn it towards the eye."""
    first, second, third = 1 - weights[0] - weights[1], weights[0], weights[1]
    normal = looks[0:3] * first + looks[3:6] * second + looks[6:9] * third
    uv = looks[9:11] * first + looks[11:13] * second + looks[13:15] * third
    flat = looks[15:18] * -np.copysign(np.float32(1), dot(looks[15:18], rays))
    length = np.maximum(np.sqrt(dot(normal, normal)), np.float32(1e-6))
    normal *= np.copysign(1 / length, dot(normal, flat))
    return Hits(
        count, rows, rays, distance, normal, flat, uv, looks[18:24].reshape(2, 3, -1),
        looks[24:27], looks[27], looks[28], *ids,
    )  # fmt: skip
