"""Two tiny drives, drawn once for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from sds_training.streets.drive import Drive, draw_drive
from sds_training.streets.files import write_drive
from sds_training.streets.light import Light

WIDTH, HEIGHT, FRAMES = 96, 48, 4


def without_camera_faults(drive: Drive) -> Drive:
    """The same drive through a camera that adds no noise, blur or hood."""
    sensor = replace(
        drive.sensor, noise=0.0, vignette=0.0, shutter=0.0, softness=0.0,
        hood=np.zeros_like(drive.sensor.hood),
    )  # fmt: skip
    return replace(drive, sensor=sensor)


def without_mirrors(drive: Drive) -> Drive:
    """The same drive with dull surfaces: what a mirror shows depends on where one stands."""
    light: Light = replace(drive.light, haze_per_m=0.0)
    world = replace(drive.world, gloss=np.zeros_like(drive.world.gloss))
    return replace(drive, world=world, light=light)


@pytest.fixture(autouse=True)
def own_threads() -> Iterator[None]:
    """Rendering takes OpenCV's threads away, from all that comes after it in the process."""
    threads = cv2.getNumThreads()
    yield
    cv2.setNumThreads(threads)


@pytest.fixture(scope='session')
def rendered_drive() -> Drive:
    return draw_drive(3, 1, WIDTH, HEIGHT, FRAMES)


@pytest.fixture(scope='session')
def clean_drive() -> Drive:
    return without_mirrors(without_camera_faults(draw_drive(8, 0, 192, 96, FRAMES)))


@pytest.fixture(scope='session')
def folder(rendered_drive: Drive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('streets')
    write_drive(root, 'val', rendered_drive, label_every_frame=True)
    return root
