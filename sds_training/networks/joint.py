"""What gradients flow through: the student and the pose network, in one forward pass."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from sds_perception.network import Prediction, SdsNetwork, batch_norms
from sds_training.networks.pose import PoseNetwork, predict_motion
from sds_training.networks.statistics import statistics_kept


class Answer(NamedTuple):
    """What both networks say about one batch."""

    prediction: Prediction  # of the clean pictures
    mixed_logits: Tensor | None  # (M, K, h, w) of the mixed ones, None without any
    moved: tuple[Tensor, Tensor] | None  # what the pose network says, see `predict_motion`


class LearnerNetworks(nn.Module):
    """Student and pose network as one module.

    Data-parallel training counts on one forward pass per backward pass; this is it.
    """

    def __init__(
        self, student: SdsNetwork, pose: PoseNetwork, *, keeps_statistics: bool = False
    ) -> None:
        """`keeps_statistics`: the student's BatchNorms always normalise as in eval mode."""
        super().__init__()
        self.student, self.pose, self.keeps_statistics = student, pose, keeps_statistics

    def train(self, mode: bool = True) -> LearnerNetworks:
        """As usual, but a frozen part keeps its BatchNorm statistics too (method.md 1.5)."""
        super().train(mode)
        for part in (*self.student.children(), self.pose):
            kept = self.keeps_statistics and part is not self.pose
            if kept or not any(each.requires_grad for each in part.parameters()):
                for norm in batch_norms(part):
                    norm.eval()
        return self

    def forward(
        self, image: Tensor, mixed: Tensor | None = None, frames: Tensor | None = None
    ) -> Answer:
        """Predict for `image` and `mixed`, and judge how the camera moved through `frames`.

        Only pictures come in: a strategy of half precision rounds all that enters, and motions by
        odometry would no longer be right to the millimetre.

        Mixed pictures are normalised by statistics of their own, which are then forgotten: torn
        and recoloured as they are they would spoil those that clean streets are seen with later.

        Args:
            image: (B, 3, H, W) RGB in [0, 1].
            mixed: (M, 3, H, W) RGB in [0, 1], or None.
            frames: (C, 3, 3, H, W), target, earlier and later; None asks the pose network nothing.
        """
        prediction, mixed_logits = self.student(image), None
        if mixed is not None:
            with statistics_kept(self.student):
                mixed_logits = self.student(mixed).logits
        moved = None if frames is None else predict_motion(self.pose, frames)
        return Answer(prediction, mixed_logits, moved)
