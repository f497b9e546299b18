"""One small release with varied answers, and one cache, for all engine tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sds_perception.engines.reference_frames import synthetic_frames
from sds_perception.network import NetworkConfig
from sds_perception.release import Release, untrained_release

CONFIG = NetworkConfig(
    encoder='resnet10t',
    encoder_options={'channels': (8, 8, 16, 16), 'stem_width': 8},
    decoder_channels=(16, 16, 16),
)


@pytest.fixture(scope='session')
def small_release() -> Release:
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
    return replace(release, weights=weights)


@pytest.fixture(scope='session')
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('engines')


@pytest.fixture(scope='session')
def frames() -> np.ndarray:
    return synthetic_frames((64, 96), 3)
