"""What the network learns from: people, the teacher, and the neighbouring frames.

`JointObjective.__call__` is the method's summary (method.md 1.6 and 5); everything it names is
defined once, in `augment/`, `losses/` and `geometry/`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor

from sds_training.augment.color_aug import (
    apply_background_jitter,
    apply_color_aug,
    draw_color_aug,
    ground_mask,
    movable_mask,
)
from sds_training.augment.scene import MixScene
from sds_training.canonical_camera import CanonicalCamera
from sds_training.config import TrainingConfig
from sds_training.data.samples import Batch, Samples, concatenated
from sds_training.geometry import PITCH, ROLL, YAW, resized_intrinsics, turned_to_fit
from sds_training.losses.depth import self_supervised_depth_loss
from sds_training.losses.ground import ground_loss
from sds_training.losses.orthogonality import soft_orthogonality
from sds_training.losses.scale import velocity_loss
from sds_training.losses.semantic import (
    labelled_cross_entropy,
    pseudo_label_cross_entropy,
    soft_jaccard_loss,
)
from sds_training.networks.joint import LearnerNetworks
from sds_training.networks.pose import source_from_target
from sds_training.pseudo_labels import PseudoLabels
from sds_training.teacher import MeanTeacher, trust_in


class Losses(NamedTuple):
    """The terms of one step, unweighted, and their weighted sum."""

    total: Tensor
    terms: dict[str, Tensor]  # scalars by name, detached

    @classmethod
    def weighted(cls, terms: dict[str, tuple[float, Tensor]], told: dict[str, Tensor]) -> Losses:
        """Sum weight * term; `told` are figures to journal that are no part of the sum."""
        total = torch.stack([weight * term for weight, term in terms.values()]).sum()
        named = {name: term.detach() for name, (_, term) in terms.items()}
        return cls(total, {'total': total.detach(), **named, **told})


class Views(NamedTuple):
    """What a step looked at, for the pictures of the journal."""

    seen: Tensor  # (B, 3, H, W) what the network saw of the clean frames
    label: Tensor  # (B, H, W) people's or the teacher's labels of them
    disparity: Tensor  # (B, 1, h, w)
    mixed: MixScene | None = None
    weight: Tensor | None = None  # (M, H, W) in [0, 1], how much the labels of `mixed` counted


class JointObjective:
    """The method: labelled, mixed and photometric terms of one batch."""

    def __init__(self, config: TrainingConfig, canonical_focal_px: float) -> None:
        self.config = config
        self.camera = CanonicalCamera(canonical_focal_px, config.network.config().depth_range)
        self.pseudo_labels = PseudoLabels(config, self.camera)

    def __call__(
        self,
        batch: Batch,
        networks: LearnerNetworks,
        teacher: MeanTeacher,
        step: int,
        generator: Generator,
    ) -> tuple[Losses, Views]:
        """The loss of one batch, (B, 3, H, W) uint8 pictures, and what was looked at."""
        config, weights = self.config, self.config.loss
        labelled, pool = batch.labelled, batch.unlabelled
        clean = concatenated(labelled, pool)
        image = clean.image.float() / 255

        # The teacher: what it believes of the clean pool, people's labels where there are some.
        labels, wanted = self.pseudo_labels, self.pseudo_labels.wanted(pool, step)
        belief = labels.belief(teacher, labels.judged(batch)) if wanted else None
        mixed, placed = labels.mixed(belief, batch, generator) if belief else (None, 0.0)

        # ColorAug: the network sees movable things and background in colours of their own.
        believed = belief.label[: len(pool.image)] if belief else pool.label.long()
        known, count = torch.cat((labelled.label.long(), believed)), len(labelled.image)
        colours = draw_color_aug(len(image), config.color_aug, generator, step=step, whole=count)
        seen = apply_color_aug(image, movable_mask(known), colours, ground_mask(known))

        rows = clean.has_neighbours.nonzero()[:, 0] if weights.depth else rows_of_none(image)
        neighbours = clean.neighbours.float() / 255
        frames = None
        if config.pose.asked and len(rows):
            frames = torch.cat((image[:, None], neighbours), 1)
            frames = apply_background_jitter(frames, colours)[rows]
        prediction, mixed_logits, moved = networks(seen, mixed and mixed.image, frames)

        # People: cross entropy where somebody drew a label, on the final and the side head.
        supervised = [
            labelled_cross_entropy(logits[:count], labelled.label)
            for logits in (prediction.logits, prediction.side_logits)
        ]
        terms = {'supervised': (weights.supervised, (supervised[0] + supervised[1]) / 2)}
        if weights.jaccard:
            jaccard = soft_jaccard_loss(prediction.logits[:count], labelled.label)
            terms['jaccard'] = (weights.jaccard, jaccard)

        # The teacher on mixed pictures: demand there what it believed on the clean ones.
        told: dict[str, Tensor] = {}
        weight = None
        if mixed:
            sure = config.teacher.trust == 'pixel'
            weight = trust_in(mixed.confidence, config.teacher.threshold, per_pixel=sure)
            told |= {'trust': weight.mean(), 'affine_mix': weight.new_full((), placed)}
            consistency = pseudo_label_cross_entropy(mixed_logits, mixed.label, weight)
            terms['consistency'] = (weights.consistency, consistency)

        # The neighbours: depth is right if it explains how they look; colours stay untouched.
        if len(rows):
            disparities = tuple(each[rows] for each in prediction.disparity)
            at, driven = clean.intrinsics[rows], clean.driven[rows]
            motion = source_from_target(moved, driven, config.pose.odometry)
            terms |= self.depth_terms(
                disparities, image[rows], neighbours[rows], motion, at, generator
            )
            terms |= self.speed_term(motion, driven)

        # Semantics: the road lies below the camera, and things stand where they touch the ground.
        if weights.road or weights.standing:
            terms |= self.ground_terms(prediction.disparity[0], known, clean)
        if weights.orthogonality and step < 0.75 * config.steps:
            matrices = [p for n, p in networks.named_parameters() if is_channel_affinity(n)]
            terms['orthogonality'] = (weights.orthogonality, soft_orthogonality(matrices))
        views = Views(seen, known, prediction.disparity[0].detach(), mixed, weight)
        return Losses.weighted(terms, told), views

    def depth_terms(
        self,
        disparities: tuple[Tensor, ...],
        target: Tensor,
        sources: Tensor,
        source_from_target: Tensor,
        intrinsics: Tensor,
        generator: Generator,
    ) -> dict[str, tuple[float, Tensor]]:
        """Photometric and smoothness terms.

        Network depth means what it would be behind the canonical focal length; the true depth is
        that times the focal ratio. Dividing translations by the ratio warps identically.
        """
        weights = self.config.loss
        if self.config.pose.align:
            depth = self.camera.depth(disparities[0].detach(), intrinsics)
            axes = (PITCH, ROLL) if self.config.pose.odometry else (PITCH, YAW, ROLL)
            source_from_target = turned_to_fit(
                target, sources, depth, source_from_target, intrinsics, axes
            )
        ratio = self.camera.focal_ratio(intrinsics).view(-1, 1, 1)
        translation = source_from_target[..., :3, 3:] / ratio[..., None]
        rigid = torch.cat((source_from_target[..., :3, :3], translation), dim=-1)
        rigid = torch.cat((rigid, source_from_target[..., 3:, :]), dim=-2)
        found = self_supervised_depth_loss(
            disparities,
            target,
            sources,
            rigid,
            intrinsics,
            self.camera.depth_range,
            generator,
            weights.compare,
        )
        return {
            'photometric': (weights.depth, found.photometric),
            'smoothness': (weights.depth * weights.smoothness, found.smoothness),
        }

    def speed_term(
        self, source_from_target: Tensor, driven: Tensor
    ) -> dict[str, tuple[float, Tensor]]:
        """How far the motion is from the driven one, where that is asked for."""
        weight = self.config.loss.speed
        return {'speed': (weight, velocity_loss(source_from_target, driven))} if weight else {}

    def ground_terms(
        self, disparity: Tensor, label: Tensor, frames: Samples
    ) -> dict[str, tuple[float, Tensor]]:
        """What semantics knows of the ground, told to depth at the disparity's own size."""
        whole, own = label.shape[-2:], disparity.shape[-2:]
        depth = self.camera.depth(disparity, frames.intrinsics)
        stride, weights = whole[0] // own[0], self.config.loss
        small = label[:, stride // 2 :: stride, stride // 2 :: stride]
        intrinsics = resized_intrinsics(frames.intrinsics, tuple(whole), tuple(own))
        ground = ground_loss(depth, small, frames.road, intrinsics)
        terms = {
            'road': (weights.road, ground.road),
            'standing': (weights.standing, ground.standing),
        }
        return {name: each for name, each in terms.items() if each[0]}


def rows_of_none(image: Tensor) -> Tensor:
    """No rows of a batch."""
    return torch.empty(0, dtype=torch.long, device=image.device)


def is_channel_affinity(name: str) -> bool:
    """Whether a parameter is a weight matrix of CCAM's linear layers."""
    return name.endswith(('squeeze.weight', 'expand.weight'))
