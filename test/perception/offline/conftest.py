from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sds_perception.calibration import pinhole
from sds_perception.camera import Camera
from sds_perception.image_codec import encode_png
from sds_perception.offline.bag_writer import write_bag
from sds_perception.offline.frames import Frame

SIZE = (48, 80)  # (H, W)


@pytest.fixture
def frames() -> list[Frame]:
    """Five noisy pictures with a camera, stamped unevenly, recorded 7 ms after their stamps."""
    rng = np.random.default_rng(0)
    calibration = pinhole(Camera.guess(SIZE[1], SIZE[0]))
    stamps = [5_000_000_000 + 100_000_003 * i for i in range(5)]
    return [
        Frame(
            f'{number:06d}',
            rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8),
            stamp_ns,
            stamp_ns + 7_000_000,
            'front_optical',
            calibration,
        )
        for number, stamp_ns in enumerate(stamps)
    ]


@pytest.fixture(params=['mcap', 'sqlite3'])
def bag(request: pytest.FixtureRequest, frames: list[Frame], tmp_path: Path) -> Path:
    write_bag(tmp_path / 'drive', frames, storage=request.param)
    return tmp_path / 'drive'


@pytest.fixture
def folder(frames: list[Frame], tmp_path: Path) -> Path:
    """The same pictures as PNG files."""
    path = tmp_path / 'pictures'
    path.mkdir()
    for frame in frames:
        (path / f'{frame.name}.png').write_bytes(encode_png(frame.rgb).tobytes())
    return path
