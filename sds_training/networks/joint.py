"""What gradients flow through: the student and the pose network, in one forward pass."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from sds_perception.network import Prediction, SdsNetwork
from sds_training.networks.pose import PoseNetwork, source_from_target
from sds_training.networks.statistics import batch_norms, statistics_kept


class Answer(NamedTuple):
    """What both networks say about one batch."""

    prediction: Prediction  # of the clean pictures
    mixed_logits: Tensor | None  # (M, K, h, w) of the mixed ones, None without any
    source_from_target: Tensor  # (C, S, 4, 4) motion from each target to each neighbour


class LearnerNetworks(nn.Module):
    """Student and pose network as one module.

    Data-parallel training counts on one forward pass per backward pass; this is it.
    """

    def __init__(self, student: SdsNetwork, pose: PoseNetwork) -> None:
        super().__init__()
        self.student, self.pose = student, pose

    def train(self, mode: bool = True) -> LearnerNetworks:
        """As usual, but a frozen encoder keeps its BatchNorm statistics too (method.md 1.5)."""
        super().train(mode)
        encoder = self.student.encoder
        if not any(each.requires_grad for each in encoder.parameters()):
            for norm in batch_norms(encoder):
                norm.eval()
        return self

    def forward(
        self,
        image: Tensor,
        target: Tensor,
        neighbours: Tensor,
        driven: Tensor,
        mixed: Tensor | None = None,
    ) -> Answer:
        """Predict for `image` and `mixed`, and the motion from `target` to each neighbour.

        Mixed pictures are normalised by statistics of their own, which are then forgotten: torn
        and recoloured as they are they would spoil those that clean streets are seen with later.

        Args:
            image: (B, 3, H, W) RGB in [0, 1].
            target: (C, 3, H, W), C may be 0.
            neighbours: (C, S, 3, H, W), earlier then later.
            driven: (C, S, 4, 4), the same motions by the vehicle's odometry, NaN unknown.
            mixed: (M, 3, H, W) RGB in [0, 1], or None.
        """
        prediction, mixed_logits = self.student(image), None
        if mixed is not None:
            with statistics_kept(self.student):
                mixed_logits = self.student(mixed).logits
        if len(target):
            motion = source_from_target(self.pose, target, neighbours, driven)
        else:
            motion = torch.eye(4, device=image.device).expand(0, neighbours.shape[1], 4, 4)
        return Answer(prediction, mixed_logits, motion)
