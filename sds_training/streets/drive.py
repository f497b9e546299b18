"""One drive: draw everything about it, then render any of its frames with the exact truth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from sds_training.streets.annotation import without_holes
from sds_training.streets.atlas import build_atlas
from sds_training.streets.cities import CITIES, City
from sds_training.streets.light import Light, draw_light, with_heavy_clouds
from sds_training.streets.materials import Materials, draw_materials, under_any_sky
from sds_training.streets.mesh import Floats, Mesh, join
from sds_training.streets.motion import FRAMES, Motion, draw_motion
from sds_training.streets.parking import draw_parked
from sds_training.streets.path import Centreline, draw_path
from sds_training.streets.places import Places
from sds_training.streets.sensor import Sensor, develop, draw_sensor
from sds_training.streets.shading import Eye, shade
from sds_training.streets.street import LABEL_ID, draw_street
from sds_training.streets.style import PLAIN, Style
from sds_training.streets.textures import draw_textures
from sds_training.streets.tracer import Hits, Surfaces, Tracer
from sds_training.streets.traffic import Mover, draw_traffic
from sds_training.streets.world import build_world

EGO_VEHICLE = 1  # Cityscapes label id
FIRST_INSTANCE_LABEL = 24  # person; classes from here on are counted
_MATERIALS_SEED = 10  # behind those of what `draw_drive` draws
_EDGE = 0.075  # difference in tone between neighbours that calls for more rays
_MIDDLE_GREY = 0.19
_SPARED = 0.6  # the most that the brightest twentieth of a picture may become under heavy clouds
_BESIDE = ((-0.36, 0.14), (0.2, -0.34))  # more rays of an edge pixel, in pixels


@dataclass(frozen=True)
class Frame:
    """A picture with everything that is true about it."""

    image: NDArray[np.uint8]  # (H, W, 3) RGB
    label_ids: NDArray[np.uint8]  # (H, W) Cityscapes label ids
    instance_ids: NDArray[np.uint16]  # (H, W) as Cityscapes writes them
    depth_m: NDArray[np.float32]  # (H, W) along the optical axis, NaN in the sky and on the hood
    world_from_camera: NDArray[np.float64]  # (4, 4)
    moving: NDArray[np.bool_]  # (H, W) pixels of things that move


@dataclass(frozen=True)
class Drive:
    """All that was drawn for one snippet; frames follow from it without further choice."""

    seed: tuple[int, int]  # of the data set, number of the snippet
    city: City
    path: Centreline
    motion: Motion
    sensor: Sensor
    light: Light
    world: Mesh
    movers: tuple[Mover, ...]
    textures: NDArray[np.uint8]
    style: Style = PLAIN
    materials: Materials | None = None  # None: everything of its own

    @property
    def first_mover(self) -> int:
        """Object numbers from here on belong to things that move."""
        return int(self.world.thing.max(initial=0)) + 1

    @cached_property
    def _standing(self) -> Surfaces:
        return Surfaces(self.world)

    @cached_property
    def _atlas(self):
        return build_atlas(self.textures)

    @cached_property
    def _exposure(self) -> float:
        """Gain that brings the first frame's middle brightness to a middle grey.

        Heavy clouds are spared: cameras leave a street dark rather than such a sky white.
        """
        light = self._trace(0, stride=4)[0].mean(axis=0)
        level = float(np.exp(np.log(light + 0.01).mean()))
        gain = self.sensor.exposure * _MIDDLE_GREY / max(level, 1e-3)
        if not self.light.cloud_shade:
            return gain
        return min(gain, _SPARED / float(np.quantile(light, 0.95)))

    def render(self, frame: int) -> Frame:
        """Render one frame; the same frame is always the same bytes."""
        sensor, pose = self.sensor, self.motion.world_from_camera(frame)
        shape = sensor.hood.shape
        light, hits = self._trace(frame)
        light = np.ascontiguousarray(light.T).reshape(*shape, 3)
        depth = hits.spread(hits.distance, np.nan).reshape(shape)
        label = hits.spread(hits.label.astype(np.uint8), LABEL_ID['sky']).reshape(shape)
        thing = hits.spread(hits.thing, 0).reshape(shape)
        rng = np.random.default_rng((*self.seed, 7, frame))
        drift = self._drift(frame, depth)
        image = develop(light, sensor, self._exposure, drift, rng)
        if self.style.no_holes:
            label = without_holes(label, depth, sensor.camera.fx)
        label[sensor.hood], depth[sensor.hood] = EGO_VEHICLE, np.nan
        counted = (label >= FIRST_INSTANCE_LABEL) & (thing > 0)
        instance = np.where(counted, label.astype(np.uint16) * 1000 + thing % 1000, label)
        moving = (thing >= self.first_mover) & ~sensor.hood
        return Frame(image, label, instance.astype(np.uint16), depth, pose, moving)

    def _moved(self, frame: int) -> list[Mesh]:
        meshes = [mover.mesh(self.path, frame) for mover in self.movers]
        if self.materials:
            meshes = [self.materials.on(mesh) for mesh in meshes]
        return [mesh.as_thing(self.first_mover + n) for n, mesh in enumerate(meshes)]

    def _trace(self, frame: int, stride: int = 1) -> tuple[Floats, Hits]:
        """Linear light (3, N) and the hits of the pixels' centres."""
        pose = self.motion.world_from_camera(frame).astype(np.float32)
        camera, turn = self.sensor.camera, pose[:3, :3]
        step_x, step_y = turn[:, 0] / np.float32(camera.fx), turn[:, 1] / np.float32(camera.fy)
        steps = step_x * stride, step_y * stride
        eye = Eye(pose[:3, 3], *steps, mirrors=self.style.mirrors)
        rays = turn @ self._rays[:, ::stride, ::stride].reshape(3, -1)
        moved = self._moved(frame)
        tracer = Tracer(self._standing, Surfaces(join(moved)) if moved else None)
        maybe = self._maybe_moving(frame, moved)[::stride, ::stride].ravel()
        hits = tracer.look(eye.origin, rays, maybe)
        light = shade(tracer, self._atlas, self.light, eye, rays, hits)
        if stride > 1:
            return light, hits
        edges = _edges(light.reshape(self._rays.shape) * np.float32(self._exposure))
        shifts = np.stack([np.float32(x) * step_x + np.float32(y) * step_y for x, y in _BESIDE])
        beside = (rays.take(edges, axis=1)[:, None] + shifts.T[..., None]).reshape(3, -1)
        seen = tracer.look(eye.origin, beside, np.tile(maybe[edges], len(_BESIDE)))
        one_tap = replace(eye, taps=1)  # several rays a pixel are taps enough
        more = shade(tracer, self._atlas, self.light, one_tap, beside, seen)
        more = more.reshape(3, len(_BESIDE), len(edges)).sum(1)
        light[:, edges] = (light.take(edges, axis=1) + more) / (len(_BESIDE) + 1)
        return light, hits

    @cached_property
    def _rays(self) -> Floats:
        """(3, H, W) directions through the pixels' centres in camera axes, z is 1."""
        return np.ascontiguousarray(np.moveaxis(self.sensor.camera.rays(), -1, 0))

    def _maybe_moving(self, frame: int, moved: list[Mesh]) -> NDArray[np.bool_]:
        """(H, W) pixels inside the outline around some moving object, and a few more."""
        found = np.zeros(self.sensor.hood.shape, np.uint8)
        to_camera = np.linalg.inv(self.motion.world_from_camera(frame)).astype(np.float32)
        for mesh in moved:
            points = mesh.corners.reshape(-1, 3) @ to_camera[:3, :3].T + to_camera[:3, 3]
            if points[:, 2].max() < 0.05:
                continue
            points[:, 2] = np.maximum(points[:, 2], 0.2)  # corners behind the eye land outside
            outline = cv2.convexHull(self.sensor.camera.project(points).round().astype(np.int32))
            cv2.fillConvexPoly(found, outline, 1)
            cv2.polylines(found, [outline], True, 1, thickness=5)
        return found.view(np.bool_)

    def _drift(self, frame: int, depth: Floats) -> Floats:
        """(H, W, 2) pixels each pixel's content moves until the next frame, were it to stand."""
        now = frame if frame + 1 < len(self.motion.s) else max(frame - 1, 0)
        later = min(now + 1, len(self.motion.s) - 1)
        move = np.linalg.inv(self.motion.world_from_camera(later)) @ (
            self.motion.world_from_camera(now))  # fmt: skip
        camera, far = self.sensor.camera, np.where(np.isfinite(depth), depth, np.float32(1e4))
        turn, shift = move[:3, :3].astype(np.float32), move[:3, 3].astype(np.float32)
        moved = np.tensordot(turn, self._rays, 1) * far + shift[:, None, None]
        z = np.maximum(moved[2], np.float32(0.1))
        return np.stack([(moved[k] / z - self._rays[k]) * np.float32(focal)
                         for k, focal in enumerate((camera.fx, camera.fy))], -1)  # fmt: skip


def _edges(light: Floats) -> NDArray[np.intp]:
    """Pixel numbers of both sides of every visible edge in (3, H, W) exposed light."""
    tone = np.sqrt(np.clip(light, 0.0, 1.5))
    found = np.zeros(tone.shape[1:], bool)
    down = np.abs(tone[:, 1:] - tone[:, :-1]).max(0) > _EDGE
    right = np.abs(tone[:, :, 1:] - tone[:, :, :-1]).max(0) > _EDGE
    found[1:] |= down
    found[:-1] |= down
    found[:, 1:] |= right
    found[:, :-1] |= right
    return np.flatnonzero(found)


def draw_drive(
    seed: int, number: int, width: int, height: int, frames: int = FRAMES, style: Style = PLAIN
) -> Drive:
    """Draw snippet `number` of the data set with this seed."""
    names = ('city', 'path', 'sensor', 'light', 'motion', 'street', 'world', 'traffic', 'textures',
             'parked')  # fmt: skip
    rng = {n: np.random.default_rng((seed, number, k)) for k, n in enumerate(names)}
    city = CITIES[rng['city'].integers(len(CITIES))]
    path = draw_path(rng['path'])
    sensor = draw_sensor(rng['sensor'], width, height, style.mirrors)
    motion = draw_motion(rng['motion'], path, sensor.height_m, sensor.pitch, frames)
    street = draw_street(rng['street'], city, path, style)
    places = Places()
    parked = draw_parked(rng['parked'], street, path, places)
    return Drive(
        seed=(seed, number),
        city=city,
        path=path,
        motion=motion,
        sensor=sensor,
        light=_draw_light(rng['light'], style),
        world=build_world(street, path, rng['world'], parked),
        movers=tuple(draw_traffic(rng['traffic'], street, path, motion, places)),
        textures=draw_textures(rng['textures']),
        style=style,
    )


def _draw_light(rng: np.random.Generator, style: Style) -> Light:
    light = draw_light(rng)
    return with_heavy_clouds(light, rng) if rng.random() < style.heavy_clouds else light


def of_any_material(drive: Drive) -> Drive:
    """The same drive through the same street, made of something else and under another sky."""
    rng = np.random.default_rng((*drive.seed, _MATERIALS_SEED))
    materials = draw_materials(rng)
    light = under_any_sky(drive.light, rng)
    return replace(drive, materials=materials, light=light, world=materials.on(drive.world))
