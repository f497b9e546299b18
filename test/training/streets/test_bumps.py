"""The turn that odometry does not tell is seen in rendered streets."""

from __future__ import annotations

import numpy as np
import torch

from sds_training.geometry import PITCH, ROLL, rigid_transform, turned_to_fit
from sds_training.streets.drive import Drive

BUMP = torch.tensor([[0.006, 0.0, -0.005]])  # radians: half a pixel at this size
FAR_M = 500.0


def test_a_bump_is_found_beside_what_moves(rendered_drive: Drive) -> None:
    here, there = rendered_drive.render(1), rendered_drive.render(2)
    true = np.linalg.inv(there.world_from_camera) @ here.world_from_camera
    motion = torch.from_numpy(true).float()[None]
    told = rigid_transform(BUMP, torch.zeros(1, 3)) @ motion
    depth = torch.from_numpy(here.depth_m).float().nan_to_num(FAR_M)[None, None]
    target, source = (
        torch.from_numpy(frame.image).permute(2, 0, 1)[None].float() / 255
        for frame in (here, there)
    )
    k = torch.from_numpy(rendered_drive.sensor.camera.matrix).float()[None]
    found = turned_to_fit(target, source[:, None], depth, told[:, None], k, (PITCH, ROLL))[:, 0]
    left = (found @ torch.linalg.inv(motion))[0, :3, :3] - torch.eye(3)
    before = (told @ torch.linalg.inv(motion))[0, :3, :3] - torch.eye(3)
    assert left.abs().max() < 0.3 * before.abs().max()
