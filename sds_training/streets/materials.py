"""Any material on any surface: streets that teach shapes, not what invented streets are made of.

Structured domain randomization (arXiv 1810.10093; without the structure 1703.06907): what stands
where stays a street, but an asphalt road may be of planks and a tree of bricks, in any colour and
under any sky. To a network that learnt this too, a real street is one more of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sds_perception.labels import CLASSES
from sds_training.streets.light import Light
from sds_training.streets.mesh import Floats, Mesh
from sds_training.streets.textures import TEXTURES

_LABELS = 1 + max(each.label_id for each in CLASSES)
_SWAPPED = 0.5  # share of the kinds of surface that wear another texture
_PAINTED, _MOST_PAINT = 0.7, 0.9  # share of those that are painted, and how thickly
_BRIGHTER = 0.7  # reflectance is divided or multiplied by up to e to this


@dataclass(frozen=True)
class Materials:
    """What each kind of surface, which is a class in a texture, is made of in one drive."""

    texture: NDArray[np.int16]  # (labels, textures) number of the one that is worn instead
    paint: Floats  # (labels, textures, 3) linear RGB reflectance
    share: Floats  # (labels, textures, 1) of the paint in the colour, 0..1
    gain: Floats  # (labels, textures, 1) on the colour

    def on(self, mesh: Mesh) -> Mesh:
        """The mesh made of these; surfaces of one kind that differ in tint still do."""
        kind = mesh.label, mesh.texture
        tint = (mesh.tint + (self.paint[kind] - mesh.tint) * self.share[kind]) * self.gain[kind]
        return replace(mesh, texture=self.texture[kind], tint=tint.clip(0.01, 1.0))


def draw_materials(rng: np.random.Generator) -> Materials:
    """Draw a material for every kind of surface."""
    kinds = _LABELS, len(TEXTURES)
    own, other = np.arange(len(TEXTURES)), rng.integers(len(TEXTURES), size=kinds)
    swapped, painted = rng.random(kinds) < _SWAPPED, rng.random((*kinds, 1)) < _PAINTED
    return Materials(
        texture=np.where(swapped, other, own).astype(np.int16),
        paint=_any_color(rng, kinds, (0.03, 0.9)),
        share=(painted * rng.uniform(0, _MOST_PAINT, (*kinds, 1))).astype(np.float32),
        gain=np.exp(rng.uniform(-_BRIGHTER, _BRIGHTER, (*kinds, 1))).astype(np.float32),
    )


def under_any_sky(light: Light, rng: np.random.Generator) -> Light:
    """The same sun and weather, with sky, clouds and the light from below in other colours."""
    colors = np.stack((light.zenith, light.horizon, light.cloud_light))
    share = rng.uniform(0.0, 0.7, (3, 1))
    zenith, horizon, clouds = colors + (_any_color(rng, (3,), (0.2, 1.0)) - colors) * share
    return replace(
        light,
        zenith=zenith.astype(np.float32),
        horizon=horizon.astype(np.float32),
        cloud_light=clouds.astype(np.float32),
        ground=(light.ground * rng.uniform(0.5, 2.0)).astype(np.float32),
    )


def _any_color(
    rng: np.random.Generator, shape: tuple[int, ...], greys: tuple[float, float]
) -> Floats:
    """(*shape, 3) colours, most of them dull."""
    grey, colorful = rng.uniform(*greys, (*shape, 1)), rng.random((*shape, 1))
    color = grey + colorful * rng.uniform(-0.25, 0.25, (*shape, 3))
    return color.clip(0.02, 1.0).astype(np.float32)
