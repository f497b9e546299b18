"""A few frames in Cityscapes layout, and a run on them that takes seconds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from sds_training.command_line import read_config
from sds_training.config import TrainingConfig
from sds_training.train import train

SIZE = (96, 64)  # width, height of the drive's pictures


def _write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


def _frame(texture: np.ndarray, number: int) -> np.ndarray:
    """A textured wall sliding by two pixels a frame."""
    return texture[:, 2 * number : 2 * number + SIZE[0]]


def write_drive(root: Path) -> Path:
    """Four snippets of five frames with cameras and speeds; the middle frame has a label."""
    rng = np.random.default_rng(0)
    for snippet in range(4):
        split = 'val' if snippet == 3 else 'train'
        coarse = rng.integers(0, 256, (8, 20, 3), dtype=np.uint8)
        texture = cv2.resize(coarse, (2 * 30 + SIZE[0], SIZE[1]), interpolation=cv2.INTER_CUBIC)
        for number in range(17, 22):
            name = f'ulm_{snippet:06d}_{number:06d}'
            there = f'{split}/ulm/{name}'
            picture = _frame(texture, number)
            _write(root / f'leftImg8bit_sequence/{there}_leftImg8bit.png', picture)
            speed = root / f'vehicle_sequence/{there}_vehicle.json'
            speed.parent.mkdir(parents=True, exist_ok=True)
            speed.write_text(json.dumps({'speed': 8.0, 'yawRate': 0.0}))
            if number != 19:
                continue
            _write(root / f'leftImg8bit/{there}_leftImg8bit.png', picture)
            label = np.full(SIZE[::-1], 7, np.uint8)  # road below a building, a car between
            label[:30] = 11
            label[24:44, 20:50] = 26
            _write(root / f'gtFine/{there}_gtFine_labelIds.png', label)
            camera = root / f'camera/{there}_camera.json'
            camera.parent.mkdir(parents=True, exist_ok=True)
            intrinsic = {'fx': 90.0, 'fy': 90.0, 'u0': 47.5, 'v0': 31.5}
            extrinsic = {'baseline': 0.2, 'z': 1.2}
            camera.write_text(json.dumps({'intrinsic': intrinsic, 'extrinsic': extrinsic}))
    return root


@pytest.fixture(scope='session')
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `write_drive`."""
    return write_drive(tmp_path_factory.mktemp('drive'))


TINY_RUN = """
run_dir: {run_dir}
steps: 4
network: {{name: tiny}}
data:
  root: {root}
  size: [96, 64]
  crop: [64, 64]
  labels: 2
  use_cache: false
  extra_unlabelled: [18, 20]
optimiser: {{kind: adamw, rate: 0.001, encoder_rate: 0.001, pose_rate: 0.001}}
teacher: {{threshold: 0.0}}
color_aug: {{start_step: 0}}
loss: {{speed: 0.1}}
fabric: {{accelerator: cpu}}
journal: {{print_every: 1, picture_every: 4, save_every: 1}}
"""


def tiny_config(folder: Path, root: Path, run_dir: Path, *words: str) -> TrainingConfig:
    """The config of a run of seconds, from a file in `folder`."""
    file = folder / 'tiny.yaml'
    file.write_text(TINY_RUN.format(run_dir=run_dir, root=root))
    return read_config([str(file), *words])


@pytest.fixture
def tiny_run(drive: Path, tmp_path: Path) -> Callable[..., TrainingConfig]:
    """Makes such a config; words are command-line overrides."""

    def make(*words: str, run_dir: Path = tmp_path / 'run') -> TrainingConfig:
        return tiny_config(tmp_path, drive, run_dir, *words)

    return make


@pytest.fixture(scope='session')
def trained_once(drive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that has ended; for `finished_run` to copy."""
    folder = tmp_path_factory.mktemp('trained')
    train(tiny_config(folder, drive, folder / 'run'))
    return folder / 'run'


@pytest.fixture
def finished_run(trained_once: Path, tiny_run: Callable[..., TrainingConfig]) -> TrainingConfig:
    """The config of a run that has ended, with a folder to spoil."""
    config = tiny_run()
    shutil.copytree(trained_once, config.run_dir)
    return config
