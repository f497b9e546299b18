"""The few solids everything on the street is put together from."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sds_training.streets.mesh import (
    Floats,
    Material,
    Mesh,
    cross,
    from_faces,
    join,
)

_BOX_FACES = np.array(
    [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
)


def box(low: ArrayLike, high: ArrayLike, material: Material) -> Mesh:
    """An upright box between two opposite corners."""
    return boxes([low], [high], material)


def boxes(lows: ArrayLike, highs: ArrayLike, material: Material) -> Mesh:
    """N upright boxes at once from (N, 3) corners."""
    lows, highs = np.asarray(lows, np.float32), np.asarray(highs, np.float32)
    bits = np.array([[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)], np.float32)
    corners = lows[:, None] + bits[None] * (highs - lows)[:, None]
    return from_faces(corners[:, _BOX_FACES].reshape(-1, 4, 3), material)


def tube(
    start: ArrayLike, end: ArrayLike, radius: float | tuple[float, float], material: Material,
    sides: int = 8, capped: bool = False,
) -> Mesh:  # fmt: skip
    """A round bar from `start` to `end`; two radii make it taper."""
    radii = radius if isinstance(radius, tuple) else (radius, radius)
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    wall = tubes(start[None], end[None], radii, material, sides)
    if not capped:
        return wall
    ring = _rings(start[None], end[None], sides)[0]
    caps = [
        np.stack((np.broadcast_to(c, (sides, 3)), r[:-1], r[1:]), 1)
        for c, r in ((start, start + ring * radii[0]), (end, end + ring * radii[1]))
    ]
    return join([wall, from_faces(np.concatenate(caps), material)])


def tubes(
    starts: NDArray[np.float64], ends: NDArray[np.float64], radii: tuple[float, float],
    material: Material, sides: int,
) -> Mesh:  # fmt: skip
    """N open round bars at once between (N, 3) points, of these radii at their two ends."""
    ring = _rings(starts, ends, sides)
    lower, upper = starts[:, None] + ring * radii[0], ends[:, None] + ring * radii[1]
    quads = np.stack((lower[:, :-1], lower[:, 1:], upper[:, 1:], upper[:, :-1]), 2)
    normals = np.stack((ring[:, :-1], ring[:, 1:], ring[:, 1:], ring[:, :-1]), 2)
    return from_faces(quads.reshape(-1, 4, 3), material,
                      normals=normals.reshape(-1, 4, 3).astype(np.float32))  # fmt: skip


def _rings(
    starts: NDArray[np.float64], ends: NDArray[np.float64], sides: int
) -> NDArray[np.float64]:
    """(N, sides + 1, 3) unit vectors around each bar, the last one the first again."""
    axis = ends - starts
    axis = axis / np.maximum(np.sqrt(np.einsum('ni,ni->n', axis, axis)), 1e-9)[:, None]
    x, y, z = axis.T
    zero = np.zeros_like(x)
    side = np.where(
        np.abs(axis[:, 2:]) < 0.9, np.stack((y, -x, zero), 1), np.stack((zero, z, -y), 1)
    )
    side /= np.sqrt(np.einsum('ni,ni->n', side, side))[:, None]
    up = cross(axis, side)
    angle = (np.arange(sides + 1) * (2 * np.pi / sides))[:, None]
    return np.cos(angle) * side[:, None] + np.sin(angle) * up[:, None]


@cache
def _ball(detail: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Unit vectors (V, 3) and triangles (T, 3) of a subdivided octahedron."""
    points = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], float)
    faces = np.array(
        [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]]
    )
    for _ in range(detail):
        a, b, c = (points[faces[:, i]] for i in range(3))
        ab, bc, ca = a + b, b + c, c + a
        corners = np.concatenate(
            [np.stack(t, 1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
        )
        points, inverse = np.unique(np.round(corners.reshape(-1, 3), 12), axis=0,
                                    return_inverse=True)  # fmt: skip
        points = points / np.linalg.norm(points, axis=-1, keepdims=True)
        faces = inverse.reshape(-1, 3)
    return points, faces


def ellipsoid(
    centre: ArrayLike, radii: ArrayLike, material: Material, detail: int = 2,
    bumps: NDArray[np.float64] | None = None,
) -> Mesh:  # fmt: skip
    """A ball stretched to `radii`; `bumps` (3, n) are wave vectors that dent it by a fifth."""
    points, faces = _ball(detail)
    radii = np.broadcast_to(np.asarray(radii, np.float64), (3,))
    dents = 1.0 if bumps is None else 1.0 + 0.2 * np.sin(points @ bumps).mean(1, keepdims=True)
    vertices = np.asarray(centre) + points * radii * dents
    normals = points / radii
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    return from_faces(vertices[faces], material, normals=normals[faces].astype(np.float32))


def loft(sections: ArrayLike, material: Material, smooth: bool = False) -> Mesh:
    """Skin over (N, M, 3) outlines of M points each; the last point joins the first.

    `smooth` shades it as the rounded body its facets stand for.
    """
    rings = np.asarray(sections, np.float32)
    quads = _quads(rings).reshape(-1, 4, 3)
    if not smooth:
        return from_faces(quads, material)
    around = np.roll(rings, -1, axis=1) - np.roll(rings, 1, axis=1)
    along = np.gradient(rings, axis=0)
    normals = cross(along.reshape(-1, 3), around.reshape(-1, 3))
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    return from_faces(quads, material,
                      normals=_quads(normals.reshape(rings.shape)).reshape(-1, 4, 3))  # fmt: skip


def _quads(rings: Floats) -> Floats:
    """(N - 1, M, 4, C) corners of the facets between (N, M, C) closed outlines."""
    closed = np.concatenate((rings, rings[:, :1]), axis=1)
    return np.stack((closed[:-1, :-1], closed[1:, :-1], closed[1:, 1:], closed[:-1, 1:]), 2)


def plate(outline: ArrayLike, material: Material) -> Mesh:
    """A flat convex face from its (M, 3) outline."""
    outline = np.asarray(outline, np.float32)
    fan = [np.stack((outline[0], outline[i], outline[i + 1])) for i in range(1, len(outline) - 1)]
    return from_faces(np.stack(fan), material)


def disc(
    centre: ArrayLike, normal_yaw: float, radius: float, material: Material, corners: int = 16,
    turn: float = 0.0,
) -> Mesh:  # fmt: skip
    """An upright regular polygon looking towards `normal_yaw`; 16 corners pass for a circle."""
    angle = np.arange(corners) * (2 * np.pi / corners) + turn
    side = np.array([-np.sin(normal_yaw), np.cos(normal_yaw), 0.0])
    rim = np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * np.array([0, 0, 1.0])
    return plate(np.asarray(centre) + radius * rim, material)


def leaves(
    centres: Floats, sizes: Floats, outward: Floats, material: Material, rng: np.random.Generator
) -> Mesh:
    """Loose triangles around `centres` (N, 3), lit as the rounded mass they belong to."""
    spread = rng.normal(0.0, 1.0, (len(centres), 3, 3))
    corners = centres[:, None] + spread * np.asarray(sizes).reshape(-1, 1, 1)
    shade = rng.uniform(0.65, 1.3, (len(centres), 1)) * np.asarray(material.tint)
    normals = np.repeat(outward[:, None], 3, 1).astype(np.float32)
    return from_faces(corners, material, normals=normals, tint=shade.astype(np.float32))
