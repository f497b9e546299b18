"""What the teacher believes of a step's pictures, and the mixed ones it is demanded on."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from sds_perception.labels import SKY, UNLABELLED
from sds_perception.network import Prediction
from sds_training.augment.mix import MixScene, apply_mix, draw_mix
from sds_training.augment.photometric import apply_strong, draw_strong
from sds_training.canonical_camera import CanonicalCamera
from sds_training.config import TrainingConfig
from sds_training.data.samples import Batch, Samples, concatenated
from sds_training.teacher import MeanTeacher, trust_in

BEYOND = 4.0  # times the far end of the depth range: behind all that any usual lens makes of it


class Demand(NamedTuple):
    """Mixed pictures, and the labels that are demanded of the student there."""

    mixed: MixScene
    weight: Tensor  # (M, H, W) in [0, 1], how much each label counts
    placed: float  # share of the pictures that AffineMix found an object for

    @property
    def told(self) -> dict[str, Tensor]:
        """Figures for the journal, scalars by name."""
        placed = self.weight.new_full((), self.placed)
        return {'trust': self.weight.mean(), 'affine_mix': placed}


class PseudoLabels:
    """Belief and mixing, as the config wants them."""

    def __init__(self, config: TrainingConfig, camera: CanonicalCamera) -> None:
        self.config, self.camera = config, camera

    def __call__(
        self, batch: Batch, teacher: MeanTeacher, step: int, generator: Generator
    ) -> tuple[Tensor, Demand | None]:
        """What is known of the pool, (P, H, W) train ids, and what is demanded on mixed pictures.

        People's labels and nothing more where no teacher is asked.
        """
        pool = batch.unlabelled
        if self.debiases:
            teacher.bias.learn_of(torch.cat((batch.labelled.label, pool.label)))
        known = pool.label.long()
        if not self.wanted(pool, step):
            return known, None
        judged = self.judged(pool)
        if not len(judged):
            self.follow_nothing(teacher)
            return known, None
        if len(judged) < len(known):
            batch = batch._replace(unlabelled=pool.rows(judged))
        belief = self.belief(teacher, self.teacher_input(batch))
        known[judged] = belief.label[: len(judged)]
        return known, self.demand(belief, batch, generator)

    def judged(self, pool: Samples) -> Tensor:
        """Which of the pool's frames the teacher labels: none that teaches depth alone."""
        places = torch.arange(len(pool.image), device=pool.image.device)
        return places[~pool.depth_only] if self.config.data.extra_depth_only else places

    def follow_nothing(self, teacher: MeanTeacher) -> None:
        """Have the bias hear of no picture: the other processes wait for this one to come by."""
        if self.debiases:
            mean = teacher.bias.mean
            teacher.bias.follow(mean.new_zeros(0, len(mean), 1, 1), mean.new_zeros(0))

    @property
    def debiases(self) -> bool:
        """Whether anybody asks how often the teacher says each class."""
        return bool(self.config.teacher.debias or self.config.release_debias)

    def wanted(self, pool: Samples, step: int) -> bool:
        """Whether this step has a consistency term."""
        weight, teacher = self.config.loss.consistency, self.config.teacher
        return weight > 0 and len(pool.image) > 0 and step >= teacher.start_step

    def teacher_input(self, batch: Batch) -> Samples:
        """What the teacher is asked: the pool, and behind it the labelled pictures that give."""
        if self._labelled_give(batch):
            return concatenated(batch.unlabelled, batch.labelled)
        return batch.unlabelled

    def belief(self, teacher: MeanTeacher, frames: Samples) -> MixScene:
        """The teacher on clean pictures, people's labels put in its place; carries no graph."""
        image = frames.image.float() / 255
        size = image.shape[-2:]
        prediction: Prediction = teacher(image)
        logits = F.interpolate(prediction.logits.float(), size, mode='bilinear')
        if self.debiases:
            teacher.bias.follow(prediction.logits, ~frames.labelled)
        if self.config.teacher.debias:
            logits = teacher.bias.taken_from(logits, self.config.teacher.debias)
        confidence, label = logits.softmax(dim=1).max(dim=1)
        given, drawn = frames.label.long(), frames.labelled[:, None, None]
        label = torch.where(confidence.isnan(), UNLABELLED, label)  # scores that are no numbers
        label = torch.where(drawn, given, label)
        confidence = torch.where(drawn, (given != UNLABELLED).to(confidence), confidence)
        confidence = confidence.nan_to_num(nan=0.0)
        disparity = F.interpolate(prediction.disparity[0].float(), size, mode='bilinear')
        depth = self.camera.depth(disparity, frames.intrinsics)
        # No parallax tells how far the sky is, and where it came out near it would hide things.
        beyond = BEYOND * self.camera.depth_range[1]
        depth = torch.where((label == SKY)[:, None], beyond, depth)
        return MixScene(image, label, confidence, depth)

    def demand(self, belief: MixScene, batch: Batch, generator: Generator) -> Demand:
        """The pool's pictures, mixed with the beliefs that moved along, then strongly altered.

        Args:
            belief: of the pictures `teacher_input`.
            batch: whose pool is mixed.
            generator: draws everything, on the CPU.
        """
        pool, labelled = len(batch.unlabelled.image), len(batch.labelled.image)
        asked, giver_of = self.teacher_input(batch), None
        if self._labelled_give(batch):
            giver_of = [pool + place % labelled for place in range(pool)]
        roads = asked.road.clone()
        if not self.config.metric:  # nobody knows what a metre is in this depth
            roads[:, 3] = torch.nan
        plan = draw_mix(belief, asked.intrinsics, self.config.mix, generator, giver_of, roads)
        mixed = apply_mix(belief, plan)
        strong = draw_strong(pool, self.config.strong, generator)
        mixed = mixed._replace(image=apply_strong(mixed.image, strong))
        rule = self.config.teacher
        weight = trust_in(mixed.confidence, rule.threshold, per_pixel=rule.trust == 'pixel')
        return Demand(mixed, weight, plan.share('affine'))

    def _labelled_give(self, batch: Batch) -> bool:
        """Whether mixed pictures receive from the labelled ones and not from each other."""
        return self.config.mix.givers == 'labelled' and len(batch.labelled.image) > 0
