"""Builds Cityscapes-shaped folders of tiny frames."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

SIZE = (64, 32)  # width, height as recorded
INTRINSIC = {'fx': 50.0, 'fy': 48.0, 'u0': 31.0, 'v0': 15.0}
SPEED_M_PER_S = 10.0


class CityFolder:
    """Writes single files of the layout, with pixels that depend on the file's name."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, folder: str, name: str, ending: str, split: str = 'train') -> Path:
        path = self.root / folder / split / name.rsplit('_', 2)[0] / f'{name}{ending}'
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def image(self, name: str, folder: str = 'leftImg8bit', split: str = 'train') -> Path:
        path = self.path(folder, name, '_leftImg8bit.png', split)
        cv2.imwrite(str(path), self._noise(name, (*SIZE[::-1], 3)))
        return path

    def sequence(self, names: list[str]) -> None:
        for name in names:
            self.image(name, 'leftImg8bit_sequence')
            vehicle = self.path('vehicle_sequence', name, '_vehicle.json')
            vehicle.write_text(json.dumps({'speed': SPEED_M_PER_S, 'yawRate': 0.0}))

    def label(self, name: str, split: str = 'train') -> Path:
        path = self.path('gtFine', name, '_gtFine_labelIds.png', split)
        ids = self._noise(name, SIZE[::-1]) % 34
        cv2.imwrite(str(path), ids)
        return path

    def void_label(self, name: str, split: str = 'test') -> Path:
        """A label as Cityscapes ships those of its test split: the vehicle, the rim, void."""
        path = self.label(name, split)
        ids = np.full(SIZE[::-1], 3, np.uint8)
        ids[-4:] = 1
        cv2.imwrite(str(path), ids)
        return path

    def camera(self, name: str, split: str = 'train') -> Path:
        path = self.path('camera', name, '_camera.json', split)
        path.write_text(json.dumps({'intrinsic': INTRINSIC, 'extrinsic': {'baseline': 0.2}}))
        return path

    def labelled_snippet(self, city: str, sequence: int, labelled: int = 19) -> str:
        """A labelled frame with two frames on either side and everything that belongs to it."""
        name = f'{city}_{sequence:06d}_{labelled:06d}'
        self.image(name)
        self.label(name)
        self.camera(name)
        numbers = range(labelled - 2, labelled + 3)
        self.sequence([f'{city}_{sequence:06d}_{number:06d}' for number in numbers])
        return name

    @staticmethod
    def _noise(name: str, shape: tuple[int, ...]) -> np.ndarray:
        rng = np.random.default_rng(list(name.encode()))
        return rng.integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def city_folder(tmp_path: Path) -> CityFolder:
    """An empty folder to write frames into."""
    return CityFolder(tmp_path / 'data')


@pytest.fixture
def street(city_folder: CityFolder) -> CityFolder:
    """Six labelled snippets in two cities, two labelled frames without neighbours, a void test."""
    for sequence in range(4):
        city_folder.labelled_snippet('aachen', sequence)
    for sequence in range(2):
        city_folder.labelled_snippet('bonn', sequence, labelled=164)
    for number in (7, 8_000):
        city_folder.image(f'kiel_000000_{number:06d}')
        city_folder.label(f'kiel_000000_{number:06d}')
    city_folder.image('mainz_000000_000019', split='test')
    city_folder.void_label('mainz_000000_000019')
    return city_folder
