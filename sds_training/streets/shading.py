"""Light on surfaces: texture, sun with shadow, sky, reflections and haze; linear RGB."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sds_training.streets.atlas import TAPS, Atlas
from sds_training.streets.light import Light
from sds_training.streets.mesh import Floats
from sds_training.streets.textures import TEXTURE_ID
from sds_training.streets.tracer import LIFT_M, Hits, Tracer, dot

_NEAR_M = 60.0  # farther away nobody sees what lies under vehicles
_SUNNY = np.float32(0.6)  # of the sun, where nobody asks for its shadows
_LEAST_RISE = np.float32(0.03)  # of a mirrored ray over the facet it leaves
_MACRO_ID = TEXTURE_ID['plaster']
_MACRO = np.float32(1 / 7.3)  # a second, much larger repeat hides that textures repeat


@dataclass(frozen=True)
class Eye:
    """A pinhole in the world: origin, and the change of a ray with a step in x and in y."""

    origin: Floats  # (3,)
    right_step: Floats  # (3,)
    down_step: Floats  # (3,)
    taps: int = TAPS  # texture lookups along a pixel's footprint
    mirrors: bool = False  # whether what shines shows it the street, or only a plain sky


def shade(
    tracer: Tracer, atlas: Atlas, light: Light, eye: Eye, rays: Floats, hits: Hits
) -> Floats:
    """(3, N) linear light along (3, N) rays that met `hits`."""
    sky = np.ones(hits.count, bool)
    sky[hits.rows] = False
    empty = np.flatnonzero(sky)
    seen = [_surface(tracer, atlas, light, eye, hits)] if len(hits.rows) else []
    if len(empty):
        above = rays.take(empty, axis=1)
        seen.append(light.sky(above / np.sqrt(dot(above, above))))
    place = np.empty(hits.count, np.intp)
    place[np.concatenate((hits.rows, empty))] = np.arange(hits.count)
    return np.concatenate(seen, axis=1).take(place, axis=1)


def _surface(tracer: Tracer, atlas: Atlas, light: Light, eye: Eye, hits: Hits) -> Floats:
    length = np.sqrt(dot(hits.ray, hits.ray))
    points = eye.origin[:, None] + hits.ray * hits.distance
    albedo = hits.tint * _texture(atlas, eye, hits)
    facing = _sunshine(tracer, light, points, hits)
    around = light.from_around(hits.normal) * _openness(tracer, points, hits, facing == 0)
    color = albedo * (around + facing * light.sun[:, None] + hits.glow)
    shiny = np.flatnonzero(hits.gloss > 0)
    if len(shiny):
        color[:, shiny] = _mirrored(tracer, light, eye, color, hits, shiny)
    return _in_haze(light, color, hits.distance * length)


def _in_haze(light: Light, color: Floats, away_m: Floats) -> Floats:
    haze = light.plain_sky(np.zeros(1, np.float32))
    return haze + (color - haze) * np.exp(-light.haze_per_m * away_m)


def _sunshine(tracer: Tracer, light: Light, points: Floats, hits: Hits) -> Floats:
    """(M,) how much sun reaches each point, 0..1; zero where there is none."""
    if light.sun.max() <= 0:
        return np.zeros(len(hits.rows), np.float32)
    facing = np.maximum(light.sun_direction @ hits.normal, 0.0)
    facing *= (light.sun_direction @ hits.flat) > 0
    sunny = np.flatnonzero(facing > 0)
    dark = tracer.shaded(points.take(sunny, axis=1), hits.flat.take(sunny, axis=1),
                         light.sun_direction)  # fmt: skip
    facing[sunny[dark]] = 0.0
    return facing


def _mirrored(
    tracer: Tracer, light: Light, eye: Eye, color: Floats, hits: Hits, shiny: NDArray[np.intp]
) -> Floats:
    """(3, S) colours of the `shiny` hits with what they mirror."""
    dull, ray, normal = (v.take(shiny, axis=1) for v in (color, hits.ray, hits.normal))
    unit = ray / np.sqrt(dot(ray, ray))
    cosine = dot(unit, normal)
    turned = unit - 2 * cosine * normal
    if eye.mirrors:
        flat = hits.flat.take(shiny, axis=1)
        turned += np.maximum(_LEAST_RISE - dot(turned, flat), 0) * flat  # not into its own facet
        turned /= np.sqrt(dot(turned, turned))
        start = eye.origin[:, None] + ray * hits.distance.take(shiny) + flat * LIFT_M
        mirror = _at_a_glance(tracer, light, start, turned)
    else:
        mirror = np.where(turned[2] > 0, light.plain_sky(turned[2]), light.ground[:, None])
    share = hits.gloss.take(shiny) * (1 + 1.2 * (1 + np.minimum(cosine, 0.0)) ** 3)
    return dull + np.minimum(share, 0.8) * (0.7 * mirror - 0.4 * dull)


def _at_a_glance(tracer: Tracer, light: Light, start: Floats, unit: Floats) -> Floats:
    """(3, N) light along rays from (3, N) points: without textures, shadows or more mirrors."""
    color = light.sky(unit)
    hits = tracer.look(start.T, unit, np.ones(unit.shape[1], bool))
    facing = np.maximum(light.sun_direction @ hits.normal, 0.0)
    lit = light.from_around(hits.normal) + _SUNNY * facing * light.sun[:, None] + hits.glow
    color[:, hits.rows] = _in_haze(light, hits.tint * lit, hits.distance)
    return color


def _texture(atlas: Atlas, eye: Eye, hits: Hits) -> Floats:
    """(3, N) texture factors with the footprint of a pixel on the surface."""
    along = dot(hits.ray, hits.flat)
    along = np.copysign(np.maximum(np.abs(along), np.float32(0.02)), along)
    over_ray = np.einsum('ijn,jn->in', hits.uv_per_m, hits.ray)
    steps = []
    for step in (eye.right_step, eye.down_step):
        on_plane = np.tensordot(step, hits.uv_per_m, axes=(0, 1))
        steps.append((on_plane - over_ray * ((step @ hits.flat) / along)) * hits.distance)
    fine = atlas.sample(hits.texture, hits.uv, *steps, taps=eye.taps)
    wide = atlas.glance(_MACRO_ID, hits.uv * _MACRO, *(s * _MACRO for s in steps))
    return fine * (1.0 + 1.3 * (wide - 1.0))


def _openness(tracer: Tracer, points: Floats, hits: Hits, shady: NDArray[np.bool_]) -> Floats:
    """How much of the sky a point sees: less low on walls and under vehicles.

    What lies above is asked for `shady` points only: beside the sun the sky is little.
    """
    height = points[2]
    level = hits.flat[2] > 0.9
    open_share = np.where(level, 1.0, 0.62 + 0.38 * np.clip(height / 3.5, 0.0, 1.0))
    low = np.flatnonzero(level & shady & (height < 0.4) & (hits.distance < _NEAR_M))
    near, up = points.take(low, axis=1), hits.flat.take(low, axis=1)
    for tilt in ((0.35, 0.25), (-0.35, -0.25)):
        direction = np.array([*tilt, 1.0], np.float32)
        covered = tracer.shaded(near, up, direction, 2.2)
        open_share[low[covered]] -= 0.36
    return open_share
