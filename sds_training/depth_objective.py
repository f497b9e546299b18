"""Depth pre-training: what video alone teaches (method.md 1.5)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Generator, Tensor, nn

from sds_perception.network import batch_norms
from sds_training.augment.color_aug import apply_background_jitter, draw_color_aug
from sds_training.canonical_camera import CanonicalCamera
from sds_training.config import TrainingConfig
from sds_training.data.samples import Batch, concatenated
from sds_training.neighbour_terms import NeighbourTerms
from sds_training.networks.joint import LearnerNetworks
from sds_training.objective import Losses, Views
from sds_training.teacher import MeanTeacher


class DepthObjective:
    """Photometric depth on frames with neighbours (the passport refuses others); no labels."""

    def __init__(
        self,
        config: TrainingConfig,
        canonical_focal_px: float,
        reference: nn.Module | None,
    ) -> None:
        self.config, self.reference = config, reference
        for norm in batch_norms(reference) if reference else ():
            norm.train()  # as in the student, so that equal weights are at distance 0
        camera = CanonicalCamera(canonical_focal_px, config.network.config().depth_range)
        self.neighbour_terms = NeighbourTerms(config, camera)

    def __call__(
        self,
        batch: Batch,
        networks: LearnerNetworks,
        teacher: MeanTeacher,
        step: int,
        generator: Generator,
    ) -> tuple[Losses, Views]:
        """The loss of one batch and what was looked at; the teacher only follows."""
        clips = concatenated(batch.labelled, batch.unlabelled)
        image, neighbours = clips.image.float() / 255, clips.neighbours.float() / 255
        global_only = replace(self.config.color_aug, probability=0.0)  # no labels to part them by
        colours = draw_color_aug(len(image), global_only, generator, step=step)
        frames = torch.cat((image[:, None], neighbours), dim=1)
        seen = apply_background_jitter(frames, colours)
        with passes_of(networks.student.encoder) as passes:
            frames = seen if self.config.pose.learned else None
            prediction, _, moved = networks(seen[:, 0], None, frames)
        terms = self.neighbour_terms(
            prediction.disparity,
            image,
            neighbours,
            moved,
            clips.driven,
            clips.intrinsics,
            generator,
        )
        if self.reference is not None:
            with teacher.autocast():  # computed as the student's, or rounding would be distance
                distance = self.feature_distance(*passes[0])
            terms['feature_distance'] = (self.config.loss.feature_distance, distance)
        views = Views(seen[:, 0], clips.label, prediction.disparity[0].detach())
        return Losses.weighted(terms, {}), views

    def feature_distance(self, image: Tensor, features: Tensor) -> Tensor:
        """L2 norm between the last features and the frozen encoder's, over the whole tensor.

        Of the picture as the student's encoder got it: rounding would be distance.
        """
        assert self.reference is not None
        with torch.no_grad():
            wanted = self.reference(image)[-1]
        return (features.float() - wanted.float()).norm()


@contextmanager
def passes_of(encoder: nn.Module) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """What the encoder got in each pass inside the block, and its coarsest features.

    A second pass would have a second word in BatchNorm statistics, and not be seen by DDP.
    """
    found: list[tuple[Tensor, Tensor]] = []
    hook = encoder.register_forward_hook(lambda _, given, taps: found.append((given[0], taps[-1])))
    try:
        yield found
    finally:
        hook.remove()
