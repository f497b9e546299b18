"""Casts rays with Embree: which triangle each pixel sees, and what stands in the sun's way.

What stands still is built once a drive, what moves once a frame; the nearer hit wins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from sds_training.streets.mesh import Floats, Mesh

_LIFT_M = 2e-3  # shadow rays start a little off their surface


class Surfaces:
    """A mesh that can be hit, with all a hit needs to be shaded, one row per triangle."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self._scene = EmbreeScene()
        TriangleMesh(self._scene, np.ascontiguousarray(mesh.corners, np.float32))
        edges = mesh.corners[:, 1:] - mesh.corners[:, :1]
        normal = np.cross(edges[:, 0], edges[:, 1])
        length = np.linalg.norm(normal, axis=1, keepdims=True)
        self.flat = (normal / np.maximum(length, 1e-12)).astype(np.float32)
        frame = np.stack((edges[:, 0], edges[:, 1], self.flat), axis=2).astype(np.float64)
        frame[length[:, 0] < 1e-9] = np.eye(3)
        steps = np.moveaxis(mesh.uv[:, 1:] - mesh.uv[:, :1], 1, 2)  # (T, 2, 2): by edge
        padded = np.concatenate((steps, np.zeros((len(mesh), 2, 1))), axis=2)
        self.uv_per_m = (padded @ np.linalg.inv(frame)).astype(np.float32)  # (T, 2, 3)

    def cast(self, origins: Floats, directions: Floats) -> tuple[NDArray, Floats, Floats]:
        """Triangle numbers (-1: none), distances in lengths of the ray, and (N, 2) weights."""
        hit = self._scene.run(origins, directions, query='INTERSECT', output=1)
        return hit['primID'], hit['tfar'], np.stack((hit['u'], hit['v']), -1)

    def blocked(self, origins: Floats, directions: Floats, reach: float) -> NDArray[np.bool_]:
        """Whether anything stands within `reach` lengths of each ray."""
        limits = np.full(len(origins), reach, np.float32)
        return self._scene.run(origins, directions, dists=limits, query='OCCLUDED') == 0


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

    def look(self, origin: Floats, directions: Floats) -> Hits:
        """The nearest hit of rays from one eye."""
        origins = np.ascontiguousarray(np.broadcast_to(origin, directions.shape), np.float32)
        best = self._groups[0].cast(origins, directions)
        group = np.zeros(len(directions), bool)
        if len(self._groups) > 1:
            other = self._groups[1].cast(origins, directions)
            group = (other[0] >= 0) & ((best[0] < 0) | (other[1] < best[1]))
            best = tuple(
                np.where(group if a.ndim == 1 else group[:, None], b, a)
                for a, b in zip(best, other, strict=True)
            )
        return self._gather(group, *best, directions)

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
