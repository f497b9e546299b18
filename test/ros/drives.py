"""Small drives for the tests that play one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sds_perception.calibration import pinhole
from sds_perception.camera import Camera
from sds_perception.offline.bag_writer import write_bag
from sds_perception.offline.frames import Frame


def write_drive(bag: Path, pictures: Iterable[NDArray[np.uint8]], rate_hz: float) -> Path:
    """A bag of RGB pictures on /drive/image with the CameraInfo of a guessed camera."""

    def frames() -> Iterable[Frame]:
        for number, rgb in enumerate(pictures, start=1):
            stamp_ns = round(number / rate_hz * 1e9)
            calibration = pinhole(Camera.guess(rgb.shape[1], rgb.shape[0]))
            yield Frame(f'{number}', rgb, stamp_ns, stamp_ns, 'cam', calibration)

    write_bag(bag, frames(), topic='/drive/image')
    return bag
