"""What is known of a frame is mirrored with its picture."""

from __future__ import annotations

import json
from dataclasses import replace

import torch

from sds_training.data.clips import training_pools
from sds_training.data.config import DataConfig
from sds_training.data.loading import StepBatches


def test_a_mirrored_frame_has_its_motion_and_road_mirrored(street) -> None:
    for path in street.root.glob('vehicle_sequence/train/*/*.json'):
        path.write_text(json.dumps({'speed': 10.0, 'yawRate': 0.3}))
    for path in street.root.glob('camera/train/*/*.json'):
        told = json.loads(path.read_text())
        path.write_text(json.dumps({**told, 'extrinsic': {'roll': 0.1, 'z': 1.3}}))
    config = DataConfig(root=str(street.root), size=(64, 32), crop=(64, 32), use_cache=False)
    plain, flipped = (
        next(
            StepBatches(replace(config, flip_probability=p), training_pools(config), 0).between(
                0, 1
            )
        )
        for p in (0.0, 1.0)
    )
    plain, flipped = plain.unlabelled, flipped.unlabelled
    known, mirror = plain.has_neighbours, torch.diag(torch.tensor([-1.0, 1.0, 1.0, 1.0]))
    assert bool(known.any()) and bool((plain.road[known, 0].abs() > 0.05).all())
    assert bool(plain.driven[known].isfinite().all())
    torch.testing.assert_close(flipped.driven, mirror @ plain.driven @ mirror, equal_nan=True)
    torch.testing.assert_close(flipped.road, plain.road @ mirror, equal_nan=True)
