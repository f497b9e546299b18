"""One small release with varied answers, and one cache, for all engine tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sds_perception.engines.reference_frames import synthetic_frames
from sds_perception.network import NetworkConfig
from sds_perception.release import Release, read_release, untrained_release, write_release

CONFIG = NetworkConfig(
    encoder='resnet10t',
    encoder_options={'channels': (8, 8, 16, 16), 'stem_width': 8},
    decoder_channels=(16, 16, 16),
)


@pytest.fixture(scope='session')
def small_release(release_file: Path) -> Release:
    """As read from its file, so that commands given the file find what was built of it."""
    return read_release(release_file)


@pytest.fixture(scope='session')
def release_file(cache: Path) -> Path:
    """Random weights whose heads are strong enough for many classes and depths to occur."""
    release = untrained_release(CONFIG, (64, 96), seed=3)
    weights = {name: tensor.clone() for name, tensor in release.weights.items()}
    head, frames = 'semantic_head.score.', torch.from_numpy(synthetic_frames((64, 96), 2))
    with torch.no_grad():
        image = frames.permute(0, 3, 1, 2) / 255
        logits = release.network()(image).logits
        spread = logits.std(dim=(0, 2, 3))
        weights[head + 'weight'] /= spread[:, None, None, None]
        weights[head + 'bias'] -= logits.mean(dim=(0, 2, 3))
        weights[head + 'bias'] /= spread
        weights['depth_heads.2.score.weight'] *= 20
    write_release(cache / 'small.safetensors', replace(release, weights=weights))
    return cache / 'small.safetensors'


@pytest.fixture(scope='session')
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('engines')


@pytest.fixture(scope='session')
def frames() -> np.ndarray:
    return synthetic_frames((64, 96), 3)
