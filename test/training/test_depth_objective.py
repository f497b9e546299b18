from __future__ import annotations

import copy
from collections.abc import Callable

import torch

from sds_training.config import TrainingConfig
from sds_training.depth_objective import DepthObjective
from sds_training.learner import build_student
from sds_training.networks.joint import LearnerNetworks
from sds_training.networks.pose import PoseNetwork

Make = Callable[..., TrainingConfig]


def test_features_of_equal_weights_are_at_no_distance(tiny_run: Make) -> None:
    config = tiny_run('--stage=depth')
    torch.manual_seed(0)
    student = build_student(config)
    networks = LearnerNetworks(student, PoseNetwork(config.pose)).train()
    reference = copy.deepcopy(student.encoder).eval().requires_grad_(False)
    objective, image = DepthObjective(config, 90.0, reference), torch.rand(2, 3, 64, 64)
    assert objective.feature_distance(networks, image) == 0
    with torch.no_grad():
        next(student.encoder.parameters()).mul_(1.5).add_(0.1)
    assert objective.feature_distance(networks, image) > 0
