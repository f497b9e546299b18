"""What tests of the objective share: a learner's parts at a known start."""

from __future__ import annotations

from collections.abc import Callable

import torch

from sds_training.config import TrainingConfig
from sds_training.data.clips import training_pools
from sds_training.data.loading import StepBatches
from sds_training.data.samples import Batch
from sds_training.learner import build_student
from sds_training.networks.joint import LearnerNetworks
from sds_training.networks.pose import PoseNetwork
from sds_training.objective import JointObjective, Losses, Views
from sds_training.teacher import MeanTeacher

Make = Callable[..., TrainingConfig]
FOCAL_PX = 90.0
NO_DEPTH = ('--loss.depth=0', '--loss.speed=0')


class Setting:
    """A learner's parts at a known start, and the loss of its first batch."""

    def __init__(self, config: TrainingConfig) -> None:
        torch.manual_seed(0)
        self.config = config
        student = build_student(config)
        self.networks = LearnerNetworks(student, PoseNetwork(config.pose))
        self.teacher = MeanTeacher(student)
        self.batch: Batch = StepBatches(config.data, training_pools(config.data), config.seed)[0]

    def loss(self, focal_px: float = FOCAL_PX, step: int = 0) -> Losses:
        return self.loss_and_views(focal_px, step)[0]

    def loss_and_views(self, focal_px: float = FOCAL_PX, step: int = 0) -> tuple[Losses, Views]:
        generator = torch.Generator().manual_seed(1)
        torch.manual_seed(2)
        call = JointObjective(self.config, focal_px)
        return call(self.batch, self.networks, self.teacher, step, generator)
