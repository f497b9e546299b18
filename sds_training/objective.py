"""What the network learns from: people, the teacher, and the neighbouring frames.

`JointObjective.__call__` is the method's summary (method.md 1.6 and 5). Mixed pictures are made in
`pseudo_labels.py`, what neighbours teach is in `neighbour_terms.py`; all they name is defined
once, in `augment/`, `losses/` and `geometry/`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from sds_perception.network import Prediction
from sds_training.augment.color_aug import (
    ColorAugPlan,
    apply_background_jitter,
    apply_color_aug,
    draw_color_aug,
    ground_mask,
)
from sds_training.augment.objects import movable_mask
from sds_training.augment.poor_camera import as_by_poorer_cameras
from sds_training.canonical_camera import CanonicalCamera
from sds_training.config import TrainingConfig
from sds_training.data.samples import Batch, Samples, concatenated
from sds_training.geometry import resized_intrinsics
from sds_training.losses.depth import depth_distance
from sds_training.losses.ground import ground_loss
from sds_training.losses.orthogonality import soft_orthogonality
from sds_training.losses.semantic import (
    labelled_cross_entropy,
    pseudo_label_cross_entropy,
    soft_jaccard_loss,
)
from sds_training.neighbour_terms import NeighbourTerms, Terms
from sds_training.networks.joint import LearnerNetworks
from sds_training.pseudo_labels import Demand, PseudoLabels
from sds_training.start import Start
from sds_training.teacher import MeanTeacher


class Losses(NamedTuple):
    """The terms of one step, unweighted, and their weighted sum."""

    total: Tensor
    terms: dict[str, Tensor]  # scalars by name, detached

    @classmethod
    def weighted(cls, terms: Terms, told: dict[str, Tensor]) -> Losses:
        """Sum weight * term; `told` are figures to journal that are no part of the sum."""
        total = torch.stack([weight * term for weight, term in terms.values()]).sum()
        named = {name: term.detach() for name, (_, term) in terms.items()}
        return cls(total, {'total': total.detach(), **named, **told})


class Views(NamedTuple):
    """What a step looked at, for the pictures of the journal."""

    seen: Tensor  # (B, 3, H, W) what the network saw of the clean frames
    label: Tensor  # (B, H, W) people's or the teacher's labels of them
    disparity: Tensor  # (B, 1, h, w)
    demand: Demand | None = None  # the mixed pictures, None without any


class JointObjective:
    """The method: labelled, mixed and photometric terms of one batch."""

    def __init__(
        self, config: TrainingConfig, canonical_focal_px: float, start: Start | None = None
    ) -> None:
        """`start` is the network that a run began with, whose depth `loss.kept_depth` keeps."""
        self.config, self.start = config, start
        self.camera = CanonicalCamera(canonical_focal_px, config.network.config().depth_range)
        self.pseudo_labels = PseudoLabels(config, self.camera)
        self.neighbour_terms = NeighbourTerms(config, self.camera)

    def __call__(
        self,
        batch: Batch,
        networks: LearnerNetworks,
        teacher: MeanTeacher,
        step: int,
        generator: Generator,
    ) -> tuple[Losses, Views]:
        """The loss of one batch, (B, 3, H, W) uint8 pictures, and what was looked at."""
        weights, clean = self.config.loss, concatenated(batch.labelled, batch.unlabelled)
        image, neighbours = clean.image.float() / 255, clean.neighbours.float() / 255

        # The teacher: what it believes of the clean pool, and demands on mixed pictures.
        believed, demand = self.pseudo_labels(batch, teacher, step, generator)
        known = torch.cat((batch.labelled.label.long(), believed))

        # ColorAug: the network sees movable things and background in colours of their own. The
        # clean pool is seen even where it teaches nothing: BatchNorm's statistics come from it.
        colours, seen = self.recoloured(image, known, len(batch.labelled.image), step, generator)
        rows = self.rows_with_neighbours(clean)
        frames = self.frames_for_pose(image, neighbours, colours, rows)
        prediction, mixed_logits, moved = networks(seen, demand and demand.mixed.image, frames)

        # The terms: people's labels, the teacher's on mixed pictures, the neighbours, the ground.
        terms = self.people_terms(prediction, batch.labelled.label)
        if demand:
            terms |= self.demand_term(mixed_logits, demand)
        if len(rows):
            nearness = tuple(each[rows] for each in prediction.disparity)
            pictures = image[rows], neighbours[rows]
            driven, at = clean.driven[rows], clean.intrinsics[rows]
            terms |= self.neighbour_terms(nearness, *pictures, moved, driven, at, generator)
        if self.start is not None:
            terms |= self.kept_depth_term(prediction.disparity[0], image, rows, self.start)
        if weights.road or weights.standing:
            terms |= self.ground_terms(prediction.disparity[0], known, clean)
        if weights.orthogonality and step < 0.75 * self.config.steps:
            terms |= self.orthogonality_term(networks)
        views = Views(seen, known, prediction.disparity[0].detach(), demand)
        return Losses.weighted(terms, demand.told if demand else {}), views

    def recoloured(
        self, image: Tensor, known: Tensor, whole: int, step: int, generator: Generator
    ) -> tuple[ColorAugPlan, Tensor]:
        """ColorAug of the clean frames by what is known of them; the first `whole` stay whole.

        Then as a poorer camera takes them, which the pose network does not see.
        """
        config = self.config.color_aug
        plan = draw_color_aug(len(image), config, generator, step=step, whole=whole)
        ground = ground_mask(known) if plan.ground else None
        seen = apply_color_aug(image, movable_mask(known), plan, ground)
        return plan, as_by_poorer_cameras(seen, self.config.poor_camera, generator)

    def rows_with_neighbours(self, frames: Samples) -> Tensor:
        """Which frames teach by their neighbours; none where the depth term has no weight."""
        if not self.config.loss.depth:
            return torch.empty(0, dtype=torch.long, device=frames.image.device)
        return frames.has_neighbours.nonzero()[:, 0]

    def frames_for_pose(
        self, image: Tensor, neighbours: Tensor, colours: ColorAugPlan, rows: Tensor
    ) -> Tensor | None:
        """(C, 3, 3, H, W) frames for the pose network; None if it has nothing to say."""
        if not (self.config.pose.learned and len(rows)):
            return None
        frames = torch.cat((image[:, None], neighbours), dim=1)
        return apply_background_jitter(frames, colours)[rows]

    def people_terms(self, prediction: Prediction, label: Tensor) -> Terms:
        """Cross entropy where somebody drew a label, on the final and the side head; Jaccard."""
        weights, count = self.config.loss, len(label)
        final, side = prediction.logits[:count], prediction.side_logits[:count]
        both = labelled_cross_entropy(final, label) + labelled_cross_entropy(side, label)
        terms = {'supervised': (weights.supervised, both / 2)}
        if weights.jaccard:
            terms['jaccard'] = (weights.jaccard, soft_jaccard_loss(final, label))
        return terms

    def demand_term(self, logits: Tensor, demand: Demand) -> Terms:
        """Cross entropy on mixed pictures against what was believed of the clean ones."""
        error = pseudo_label_cross_entropy(logits, demand.mixed.label, demand.weight)
        return {'consistency': (self.config.loss.consistency, error)}

    def kept_depth_term(
        self, disparity: Tensor, image: Tensor, taught: Tensor, start: Start
    ) -> Terms:
        """Distance from the depth of the start, in all frames but the `taught` ones."""
        alone = torch.ones(len(image), dtype=torch.bool, device=image.device)
        alone[taught] = False
        if not alone.any():
            return {}
        before = start.disparity(image[alone], disparity.shape[-2:])
        error = depth_distance(disparity[alone], before, self.camera.depth_range)
        return {'kept_depth': (self.config.loss.kept_depth, error)}

    def ground_terms(self, disparity: Tensor, label: Tensor, frames: Samples) -> Terms:
        """What semantics knows of the ground, told to depth at the disparity's own size.

        The road lies below the camera, and things stand where they touch the ground.
        """
        whole, own = label.shape[-2:], disparity.shape[-2:]
        depth = self.camera.depth(disparity, frames.intrinsics)
        stride, weights = whole[0] // own[0], self.config.loss
        small = label[:, stride // 2 :: stride, stride // 2 :: stride]
        intrinsics = resized_intrinsics(frames.intrinsics, whole, own)
        ground = ground_loss(depth, small, frames.road, intrinsics)
        terms = {
            'road': (weights.road, ground.road),
            'standing': (weights.standing, ground.standing),
        }
        return {name: each for name, each in terms.items() if each[0]}

    def orthogonality_term(self, networks: LearnerNetworks) -> Terms:
        """How far the weight matrices of CCAM's linear layers are from orthonormal."""
        matrices = [p for n, p in networks.named_parameters() if is_channel_affinity(n)]
        return {'orthogonality': (self.config.loss.orthogonality, soft_orthogonality(matrices))}


def is_channel_affinity(name: str) -> bool:
    """Whether a parameter is a weight matrix of CCAM's linear layers."""
    return name.endswith(('squeeze.weight', 'expand.weight'))
