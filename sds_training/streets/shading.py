"""Light on surfaces: texture, sun with shadow, sky, reflections and haze; linear RGB."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sds_training.streets.atlas import TAPS, Atlas
from sds_training.streets.light import Light
from sds_training.streets.mesh import Floats
from sds_training.streets.texture_names import TEXTURE_ID
from sds_training.streets.tracer import Hits, Tracer, dot

_NEAR_M = 60.0  # farther away nobody sees what lies under vehicles
_MACRO = np.float32(1 / 7.3)  # a second, much larger repeat hides that textures repeat


@dataclass(frozen=True)
class Eye:
    """A pinhole in the world: origin, and the change of a ray with a step in x and in y."""

    origin: Floats  # (3,)
    right_step: Floats  # (3,)
    down_step: Floats  # (3,)
    taps: int = TAPS  # texture lookups along a pixel's footprint


def shade(
    tracer: Tracer, atlas: Atlas, light: Light, eye: Eye, rays: Floats, hits: Hits
) -> Floats:
    """(N, 3) linear light along (N, 3) rays that met `hits`."""
    length = np.sqrt(dot(rays, rays))
    unit = rays / length[:, None]
    color = np.empty_like(rays)
    sky = np.ones(hits.rays, bool)
    sky[hits.rows] = False
    color[sky] = light.sky(unit[sky])
    if len(hits.rows):
        met = hits.rows
        surface = _surface(tracer, atlas, light, eye, rays[met], unit[met], hits)
        clear = np.exp(-light.haze_per_m * hits.distance * length[met])[:, None]
        haze = light.plain_sky(np.zeros(1, np.float32))
        color[met] = haze + (surface - haze) * clear
    return color


def _surface(
    tracer: Tracer, atlas: Atlas, light: Light, eye: Eye, rays: Floats, unit: Floats, hits: Hits
) -> Floats:
    points = eye.origin + rays * hits.distance[:, None]
    albedo = hits.tint * _texture(atlas, eye, rays, hits)
    facing = np.maximum(hits.normal @ light.sun_direction, 0.0)
    facing *= (hits.flat @ light.sun_direction) > 0
    sunny = np.flatnonzero(facing > 0)
    if light.sun.max() > 0:
        dark = tracer.shaded(points[sunny], hits.flat[sunny], light.sun_direction)
        facing[sunny[dark]] = 0.0
    around = light.from_around(hits.normal) * _openness(tracer, points, hits)[:, None]
    color = albedo * (around + facing[:, None] * light.sun + hits.glow[:, None])
    shiny = np.flatnonzero(hits.gloss > 0)
    if len(shiny):
        normal = hits.normal[shiny]
        cosine = dot(unit[shiny], normal)
        up = unit[shiny, 2] - 2 * cosine * normal[:, 2]
        mirror = np.where((up > 0)[:, None], light.plain_sky(up), light.ground)
        share = hits.gloss[shiny] * (1 + 1.2 * (1 + np.minimum(cosine, 0.0)) ** 3)
        color[shiny] += np.minimum(share, 0.8)[:, None] * (0.7 * mirror - 0.4 * color[shiny])
    return color


def _texture(atlas: Atlas, eye: Eye, rays: Floats, hits: Hits) -> Floats:
    """Texture factors with the footprint of a pixel on the surface."""
    along = dot(rays, hits.flat)
    along = np.where(np.abs(along) < 0.02, np.copysign(0.02, along), along)
    steps = []
    for step in (eye.right_step, eye.down_step):
        slide = step - rays * ((hits.flat @ step) / along)[:, None]
        moved = slide * hits.distance[:, None]
        steps.append(np.einsum('nij,nj->ni', hits.uv_per_m, moved))
    fine = atlas.sample(hits.texture, hits.uv, *steps, taps=eye.taps)
    plaster = np.full_like(hits.texture, TEXTURE_ID['plaster'])
    wide = atlas.sample(plaster, hits.uv * _MACRO, *(s * _MACRO for s in steps), taps=1)
    return fine * (1.0 + 1.3 * (wide - 1.0))


def _openness(tracer: Tracer, points: Floats, hits: Hits) -> Floats:
    """How much of the sky a point sees: less under vehicles and low on walls."""
    height = points[:, 2]
    level = hits.flat[:, 2] > 0.9
    open_share = np.where(level, 1.0, 0.62 + 0.38 * np.clip(height / 3.5, 0.0, 1.0))
    low = np.flatnonzero(level & (height < 0.4) & (hits.distance < _NEAR_M))
    for tilt in ((0.35, 0.25), (-0.35, -0.25)):
        direction = np.array([*tilt, 1.0], np.float32)
        covered = tracer.shaded(points[low], hits.flat[low], direction, 2.2)
        open_share[low[covered]] -= 0.36
    return open_share.astype(np.float32)
