"""What gradients flow through: the student and the pose network, in one forward pass."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sds_perception.network import Prediction, SdsNetwork
from sds_training.networks.pose import PoseNetwork, source_from_target


class LearnerNetworks(nn.Module):
    """Student and pose network as one module.

    Data-parallel training counts on one forward pass per backward pass; this is it.
    """

    def __init__(self, student: SdsNetwork, pose: PoseNetwork) -> None:
        super().__init__()
        self.student, self.pose = student, pose

    def forward(
        self, image: Tensor, target: Tensor, neighbours: Tensor, driven: Tensor
    ) -> tuple[Prediction, Tensor]:
        """Predict for `image`, (B, 3, H, W), and the motion from `target` to each neighbour.

        Args:
            image: (B, 3, H, W) RGB in [0, 1].
            target: (C, 3, H, W), C may be 0.
            neighbours: (C, S, 3, H, W), earlier then later.
            driven: (C, S, 4, 4), the same motions by the vehicle's odometry, NaN unknown.

        Returns:
            The prediction and `source_from_target`, (C, S, 4, 4).
        """
        prediction = self.student(image)
        if len(target) == 0:
            return prediction, torch.eye(4, device=image.device).expand(
                0, neighbours.shape[1], 4, 4
            )
        return prediction, source_from_target(self.pose, target, neighbours, driven)
