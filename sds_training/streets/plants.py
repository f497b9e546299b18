"""Trees, bushes and hedges: rounded masses roughened by loose leaves."""

from __future__ import annotations

import numpy as np

from sds_training.streets.mesh import Material, Mesh, join
from sds_training.streets.shapes import box, ellipsoid, leaves, tube, tubes
from sds_training.streets.street import LABEL_ID

_GREEN = LABEL_ID['vegetation']
_BOUGHS, _TWIGS = 9, 150  # of a mass of leaves


def _leaf_material(rng: np.random.Generator, tint: tuple[float, float, float]) -> Material:
    autumn = np.array([1.6, 0.95, 0.6]) if rng.random() < 0.12 else np.ones(3)
    tone = np.array(tint) * rng.uniform(0.7, 1.3) * rng.uniform(0.85, 1.15, 3) * autumn
    return Material(_GREEN, 'leaves').tinted(tone)


def _mass(
    rng: np.random.Generator, centre: np.ndarray, radii: np.ndarray, material: Material,
    count: int, detail: int = 2,
) -> Mesh:  # fmt: skip
    """A dented ball inside a coat of `count` leaf clusters."""
    core = ellipsoid(centre, radii * 0.78, material, detail, bumps=rng.normal(0, 5, (3, 5)))
    direction = rng.normal(0, 1, (count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    at = centre + direction * radii * rng.uniform(0.74, 1.12, (count, 1))
    size = rng.uniform(0.08, 0.19, count) * min(1.0, float(radii.mean()))
    return join([core, leaves(at, size, direction, material, rng)])


def tree(
    rng: np.random.Generator, tint: tuple[float, float, float], height: float, bare: float = 0.0
) -> Mesh:
    """A broad-leaved tree, `bare` of leaves in that share, or a conifer; at the origin."""
    material = _leaf_material(rng, tint)
    wood = Material(_GREEN, 'bark').tinted(np.array([0.16, 0.11, 0.07]) * rng.uniform(0.6, 1.4))
    if rng.random() < 0.15:
        return _conifer(rng, material, wood, height)
    season = rng.spawn(1)[0]  # drawn apart from what stands where
    leafless = season.random() < bare
    trunk_height, radius = height * rng.uniform(0.28, 0.42), 0.022 * height
    lean = np.array([*rng.normal(0, 0.03, 2), 1.0]) * trunk_height
    parts = [tube((0, 0, 0), lean * 1.35, (radius, radius * 0.6), wood)]
    spread = height * rng.uniform(0.2, 0.3)
    for _ in range(int(rng.integers(4, 7))):
        offset = rng.normal(0, 0.45, 3) * (spread, spread, spread * 0.8)
        centre = np.array([0, 0, trunk_height + (height - trunk_height) * 0.48]) + offset
        radii = spread * rng.uniform(0.55, 0.85) * np.array([1, 1, rng.uniform(0.8, 1.1)])
        parts.append(tube(lean, centre, (radius * 0.5, radius * 0.2), wood, sides=5))
        # Drawn for a bare tree as well: what is drawn after it may not depend on the season.
        crown = _mass(rng, centre, radii, material, 110)
        parts.append(_twigs(season, lean, centre, radii, wood) if leafless else crown)
    return join(parts)


def _twigs(
    rng: np.random.Generator, fork: np.ndarray, centre: np.ndarray, radii: np.ndarray,
    wood: Material,
) -> Mesh:  # fmt: skip
    """What a mass of leaves leaves behind in winter: boughs to its rim, twigs along them."""
    direction = rng.normal(0, 1, (_BOUGHS, 3)) + (0, 0, 0.6)
    tips = centre + direction / np.linalg.norm(direction, axis=1, keepdims=True) * radii
    start = fork + (centre - fork) * rng.uniform(0.55, 1.0, (_BOUGHS, 1))
    along = rng.uniform(0.25, 1.0, (_TWIGS, 1))
    bough = rng.integers(_BOUGHS, size=_TWIGS)
    foot = start[bough] + (tips - start)[bough] * along
    reach = (tips - start)[bough] * 0.3 + rng.normal(0, 0.16, (_TWIGS, 3)) * radii
    boughs = tubes(start, tips, (0.035, 0.012), wood, sides=4)
    return join([boughs, tubes(foot, foot + reach, (0.014, 0.006), wood, sides=3)])


def _conifer(rng: np.random.Generator, material: Material, wood: Material, height: float) -> Mesh:
    dark = material.tinted(np.array(material.tint) * (0.55, 0.7, 0.8))
    parts = [tube((0, 0, 0), (0, 0, height * 0.5), (0.02 * height, 0.01 * height), wood)]
    for share in np.linspace(0.16, 0.92, 6):
        radius = height * 0.24 * (1.08 - share)
        parts.append(_mass(rng, np.array([0, 0, height * share]),
                           np.array([radius, radius, height * 0.17]), dark, 70))  # fmt: skip
    return join(parts)


def bush(rng: np.random.Generator, tint: tuple[float, float, float]) -> Mesh:
    """A bush of about a metre."""
    size = rng.uniform(0.4, 0.9)
    radii = size * rng.uniform(0.8, 1.3, 3)
    return _mass(rng, np.array([0, 0, radii[2] * 0.8]), radii, _leaf_material(rng, tint), 90)


def hedge(rng: np.random.Generator, tint: tuple[float, float, float], length: float) -> Mesh:
    """A clipped hedge along x."""
    material = _leaf_material(rng, tint)
    height, width = rng.uniform(0.9, 1.9), rng.uniform(0.5, 0.9)
    body = box((0, -width / 2, 0), (length, width / 2, height), material)
    count = int(70 * length / 2)
    at = rng.uniform((0, -width / 2, 0.05), (length, width / 2, height), (count, 3))
    top = rng.random(count) < 0.4
    at[:, 2] = np.where(top, height, at[:, 2])
    at[:, 1] = np.where(top, at[:, 1], np.sign(at[:, 1]) * width / 2)
    outward = np.where(top[:, None], (0, 0, 1.0), np.sign(at[:, 1:2]) * (0, 1.0, 0.2))
    return join([body, leaves(at, rng.uniform(0.05, 0.12, count), outward, material, rng)])
