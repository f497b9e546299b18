"""From light to pixel values: exposure, vignetting, motion blur, tone, noise, and the hood."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sds_perception.camera import Camera
from sds_training.streets.mesh import Floats

_HOOD_BEND = 7.0  # rows of the street in one of the hood, which bends away


@dataclass(frozen=True)
class Sensor:
    """One drive's camera: optics, mounting and electronics."""

    camera: Camera
    height_m: float
    pitch: float  # radians, up is positive
    baseline_m: float
    exposure: float
    white: Floats  # (3,) gains
    contrast: float
    noise: float  # deviation in grey levels of 255 at mid grey
    vignette: float
    shutter: float  # share of the frame time the shutter is open
    softness: float  # blur of the lens in pixels
    hood: NDArray[np.bool_]  # (H, W) pixels the ego vehicle covers
    hood_color: Floats
    hood_gloss: float | None = None  # share of the street that it mirrors; None: a plain sky


def draw_sensor(
    rng: np.random.Generator, width: int, height: int, mirrors: bool = False
) -> Sensor:
    """Draw a camera: 48 to 78 degrees wide, 1.15 to 2 metres high, hood visible in a third."""
    fov = np.radians(rng.uniform(48.0, 78.0))
    focal = width / 2 / np.tan(fov / 2)
    cx = (width - 1) / 2 + rng.normal(0, 0.012) * width
    cy = (height - 1) / 2 + rng.normal(0, 0.02) * height
    camera = Camera(float(focal), float(focal * rng.uniform(0.995, 1.005)), float(cx), float(cy),
                    width, height)  # fmt: skip
    scale = width / 512
    return Sensor(
        camera=camera,
        height_m=float(rng.uniform(1.15, 2.0)),
        pitch=float(np.radians(rng.uniform(-5.0, 2.0))),
        baseline_m=float(rng.uniform(0.18, 0.26)),
        exposure=float(np.exp(rng.normal(0.0, 0.22))),
        white=np.exp(rng.normal(0, 0.05, 3)).astype(np.float32),
        contrast=float(rng.uniform(0.9, 1.15)),
        noise=float(rng.uniform(0.8, 3.5)),
        vignette=float(rng.uniform(0.0, 0.3)),
        shutter=float(rng.uniform(0.0, 0.3)),
        softness=float(rng.uniform(0.0, 0.55) * scale),
        hood=_draw_hood(rng, width, height),
        hood_color=(rng.uniform(0.01, 0.3) * np.array([1.0, rng.uniform(0.8, 1), 1.0])).astype(
            'f4'
        ),
        hood_gloss=float(rng.spawn(1)[0].uniform(0.08, 0.45)) if mirrors else None,
    )


def _draw_hood(rng: np.random.Generator, width: int, height: int) -> NDArray[np.bool_]:
    x = np.linspace(-1, 1, width)[None, :]
    y = np.linspace(0, 1, height)[:, None]
    top, bend = rng.uniform(0.84, 0.94), rng.uniform(0.03, 0.12)
    visible = rng.random() < 0.35
    return (y > top + bend * x**2) & visible


def develop(
    light: Floats, sensor: Sensor, exposure: float, drift_px: Floats, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB from linear light of the same shape.

    `exposure` brings the drive's mean light to a middle grey; `drift_px` (H, W, 2) is how far
    each pixel's content moves from one frame to the next.
    """
    height, width = light.shape[:2]
    light = _smear(light * np.float32(exposure), drift_px * np.float32(sensor.shutter))
    if sensor.softness > 0.15:
        light = cv2.GaussianBlur(light, (0, 0), sensor.softness)
    # From here on one plane a colour: numpy is slow at many short rows.
    planes = np.stack(cv2.split(_cover_with_hood(light, sensor)))
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    falloff = 1 - np.float32(sensor.vignette) * (x * x + y * y) / 2
    planes *= falloff * sensor.white[:, None, None]
    tone = np.maximum(planes, 0) ** np.float32(1 / 2.2)
    tone = np.float32(sensor.contrast) * (tone - 0.45) + 0.45
    bright = tone > 0.75
    tone[bright] = 0.75 + 0.25 * np.tanh((tone[bright] - 0.75) / 0.25)  # soft white
    grain = rng.standard_normal((3, height, width), dtype=np.float32)
    grain = 0.6 * grain + 0.8 * grain[0]
    values = 255.0 * tone + sensor.noise * grain * (0.6 + 0.6 * np.sqrt(np.maximum(tone, 0)))
    return cv2.merge(list(np.clip(values + 0.5, 0, 255).astype(np.uint8)))


def _smear(light: Floats, drift_px: Floats) -> Floats:
    """Average over the way each pixel's content moves while the shutter is open."""
    if float(np.abs(drift_px).max(initial=0.0)) < 0.3:
        return light
    height, width = light.shape[:2]
    longest = np.float32(width / 40)
    drift_px = np.clip(drift_px, -longest, longest).astype(np.float32)
    u, v = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    total = np.zeros_like(light)
    for share in (-0.375, -0.125, 0.125, 0.375):
        x, y = u + np.float32(share) * drift_px[..., 0], v + np.float32(share) * drift_px[..., 1]
        total += cv2.remap(light, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return total / 4


def _cover_with_hood(light: Floats, sensor: Sensor) -> Floats:
    """Paint the ego vehicle's hood: its own colour, and what it mirrors."""
    if not sensor.hood.any():
        return light
    mirrored = _dim_sky(light) if sensor.hood_gloss is None else _street_in_hood(light, sensor)
    paint = sensor.hood_color * 0.8 + mirrored
    return np.where(sensor.hood[..., None], paint.astype(np.float32), light)


def _dim_sky(light: Floats) -> Floats:
    """(H, 1, 3) the mean light of the upper third, dimmer towards us."""
    rows = np.linspace(0, 1, light.shape[0], dtype=np.float32)[:, None, None]
    mirror = light[: max(1, light.shape[0] // 3)].mean(axis=(0, 1))
    return 0.22 * mirror * (2.2 - 1.6 * rows)


def _street_in_hood(light: Floats, sensor: Sensor) -> Floats:
    """(H, W, 3) the picture above the hood's edge, upside down, pressed flat and blurred."""
    height, width = sensor.hood.shape
    row, column = np.mgrid[:height, :width].astype(np.float32)
    edge = sensor.hood.argmax(axis=0).astype(np.float32)
    above = np.clip(edge - _HOOD_BEND * (row - edge), 0, height - 1)
    mirror = cv2.remap(light, column, above, cv2.INTER_LINEAR)
    return np.float32(sensor.hood_gloss) * cv2.GaussianBlur(mirror, (0, 0), width / 100)
