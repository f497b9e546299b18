"""Triangles with everything a picture and its truth need: surface, class and object.

World axes: x forward at the start of the drive, y left, z up; metres. Texture coordinates are in
metres on the surface, so that a texture keeps its size whatever it is wrapped around.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sds_training.streets.textures import TEXTURE_ID

Floats = NDArray[np.float32]


class Material(NamedTuple):
    """What a surface is (Cityscapes label id) and how it looks."""

    label: int
    texture: str = 'plain'
    tint: tuple[float, float, float] = (0.5, 0.5, 0.5)  # linear RGB reflectance, 0..1
    gloss: float = 0.0  # share of the light that mirrors the sky, 0..1
    glow: float = 0.0  # light of its own, in units of the tint

    def tinted(self, tint: ArrayLike) -> Material:
        """The same material in another colour."""
        return self._replace(tint=tuple(float(v) for v in np.clip(tint, 0.0, 1.0)))


@dataclass(frozen=True)
class Mesh:
    """T triangles; every array has T rows."""

    corners: Floats  # (T, 3, 3) metres
    uv: Floats  # (T, 3, 2) metres on the surface
    normals: Floats  # (T, 3, 3) unit shading normals at the corners
    texture: NDArray[np.int16]
    tint: Floats  # (T, 3)
    gloss: Floats
    glow: Floats
    label: NDArray[np.uint8]  # Cityscapes label ids
    thing: NDArray[np.int32]  # number of the object, 0 where nobody counts

    def __len__(self) -> int:
        return len(self.corners)

    @property
    def length_m(self) -> float:
        """Extent along x."""
        return float(np.ptp(self.corners[..., 0]))

    def placed(self, xyz: ArrayLike, yaw: float = 0.0) -> Mesh:
        """The mesh turned by `yaw` about z, then moved to `xyz`; textures stay on the surface."""
        turn = np.array(rotation_z(yaw), np.float32)
        # Rows of three in one product: numpy is slow at many small ones.
        corners, normals = (each.reshape(-1, 3) @ turn.T for each in (self.corners, self.normals))
        moved = corners + np.asarray(xyz, np.float32)
        return replace(self, corners=moved.reshape(-1, 3, 3), normals=normals.reshape(-1, 3, 3))

    def as_thing(self, number: int) -> Mesh:
        """The mesh as one countable object."""
        return replace(self, thing=np.full(len(self), number, np.int32))

    def mirrored(self) -> Mesh:
        """The mesh with left and right exchanged."""
        flip = np.array([1, -1, 1], np.float32)
        return replace(self, corners=self.corners * flip, normals=self.normals * flip)


def rotation_z(yaw: float) -> NDArray[np.float64]:
    """(3, 3) rotation about the vertical."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def join(meshes: Iterable[Mesh]) -> Mesh:
    """All triangles of several meshes in one; at least one mesh is needed."""
    parts = list(meshes)
    if not parts:
        raise ValueError('nothing to join: an empty list of meshes, at least one is needed')
    names = Mesh.__dataclass_fields__
    return Mesh(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})


def from_faces(
    corners: ArrayLike,
    material: Material,
    uv: Floats | None = None,
    normals: Floats | None = None,
    tint: ArrayLike | None = None,
) -> Mesh:
    """A mesh of one material from (N, 3, 3) triangles or (N, 4, 3) quads, corners in order.

    `uv` (N, 3 or 4, 2) defaults to a box projection, `normals` (N, 3 or 4, 3) to flat ones,
    `tint` (N, 3) to the material's.
    """
    corners = np.asarray(corners, np.float32)
    tints = np.asarray(material.tint if tint is None else tint, np.float32)
    if corners.shape[1] == 4:
        corners, uv, normals = (None if v is None else _halves(v) for v in (corners, uv, normals))
        tints = tints if tint is None else np.repeat(tints, 2, axis=0)
    count = len(corners)
    flat = flat_normals(corners)
    return Mesh(
        corners=corners,
        uv=box_projection(corners, flat) if uv is None else uv.astype(np.float32),
        normals=np.repeat(flat[:, None], 3, 1) if normals is None else normals,
        texture=np.full(count, TEXTURE_ID[material.texture], np.int16),
        tint=np.full((count, 3), tints, np.float32),
        gloss=np.full(count, material.gloss, np.float32),
        glow=np.full(count, material.glow, np.float32),
        label=np.full(count, material.label, np.uint8),
        thing=np.zeros(count, np.int32),
    )


def _halves(quads: Floats) -> Floats:
    """(2N, 3, C) corners of the two triangles of each of (N, 4, C) quads."""
    return quads[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3, quads.shape[-1])


def cross(a: Floats, b: Floats) -> Floats:
    """(N, 3) cross products; several times faster than np.cross on the few rows of a part."""
    out = np.empty_like(a)
    out[:, 0] = a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1]
    out[:, 1] = a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2]
    out[:, 2] = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return out


def flat_normals(corners: Floats) -> Floats:
    """(T, 3) unit normals; degenerate triangles get z up."""
    normal = cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.sqrt(np.einsum('ni,ni->n', normal, normal))[:, None]
    normal /= np.maximum(length, 1e-12)
    normal[length[:, 0] < 1e-12] = (0, 0, 1)
    return normal


def box_projection(corners: Floats, normals: Floats) -> Floats:
    """(T, 3, 2) texture metres: the map of flat faces, run and height on upright ones."""
    length = np.maximum(np.sqrt(normals[:, 0] ** 2 + normals[:, 1] ** 2), 1e-6)
    x, y = normals[:, :1] / length[:, None], normals[:, 1:2] / length[:, None]
    flat = np.abs(normals[:, 2:]) > 0.75
    uv = np.empty((len(corners), 3, 2), np.float32)
    uv[..., 0] = np.where(flat, corners[..., 0], corners[..., 1] * x - corners[..., 0] * y)
    uv[..., 1] = np.where(flat, corners[..., 1], corners[..., 2])
    return uv
