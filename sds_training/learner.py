"""Student, pose network, teacher and optimiser: one `advance` per step."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor

from sds_perception.network import build_network
from sds_training.config import OptimiserConfig, TrainingConfig
from sds_training.config_error import ConfigError
from sds_training.data.samples import Batch
from sds_training.depth_objective import DepthObjective
from sds_training.networks.joint import LearnerNetworks
from sds_training.networks.pose import PoseNetwork
from sds_training.networks.statistics import copied_buffers, put_back, share_statistics
from sds_training.objective import JointObjective, Views
from sds_training.schedule import rate_factor, teacher_decay
from sds_training.start import Start, zoom_between
from sds_training.teacher import MeanTeacher
from sds_training.warm_start import inherit

logger = logging.getLogger(__name__)

INHERITED_SEED = 0  # of the weights that a run which inherits others draws itself
NON_FINITE_LIMIT = 10  # so many losses in a row that are no number stop the run


class DivergedError(RuntimeError):
    """The loss stayed non-finite; the weights of before the first such step have been kept."""


class Learner:
    """Everything that changes while training, and the only code that changes it."""

    def __init__(
        self,
        config: TrainingConfig,
        fabric: Fabric,
        canonical_focal_px: float,
        start_size: tuple[int, int] | None = None,
    ) -> None:
        """`start_size` is the (W, H) that the networks of `init_from` learnt at, if another."""
        self.config, self.fabric = config, fabric
        # What another run's networks lack starts fresh, and the same in runs of all seeds: they
        # begin as one network, and so can be averaged (sds-average).
        torch.manual_seed(INHERITED_SEED if config.init_from else config.seed)
        student = build_student(config)
        keeps = config.optimiser.statistics == 'kept'
        networks = LearnerNetworks(student, PoseNetwork(config.pose), keeps_statistics=keeps)
        networks.to(memory_format=torch.channels_last)
        optimiser = build_optimiser(networks, config.optimiser)
        self.student, self.bare = student, networks
        self.networks, self.optimiser = fabric.setup(networks, optimiser)
        self.teacher = MeanTeacher(student, fabric.autocast, self._mean_of_all)
        zoom = zoom_between(start_size or config.data.size, config.data.size)
        kept = config.loss.kept_depth > 0
        self.start = Start(student, fabric.autocast, zoom) if kept else None
        self.objective: JointObjective | DepthObjective = (
            JointObjective(config, canonical_focal_px, self.start)
            if config.stage == 'joint'
            else DepthObjective(config, canonical_focal_px, reference_encoder(config, student))
        )
        self.step = 0
        self.skipped = 0  # steps whose loss or gradient was no number
        self._skipped_in_a_row = 0
        self.views: Views | None = None

    def advance(self, batches: Sequence[Batch]) -> dict[str, Tensor]:
        """One optimiser step on the gradients of `batches`; the teacher follows the student."""
        self._set_rates()
        self.networks.train()
        statistics = copied_buffers(self.bare)
        terms, finite = self._gradients(batches)
        norm = self._clipped_norm() if finite else terms['total'].new_tensor(math.nan)
        usable = finite and self._everywhere(torch.isfinite(norm))
        scaled = self.config.fabric.precision == '16-mixed'
        if usable or (finite and scaled):  # a scaler leaves out the step, and learns of it
            self.optimiser.step()
        if usable:
            self._skipped_in_a_row = 0
            if self.fabric.world_size > 1:
                share_statistics(self.bare, self._mean_of_all)
            self.teacher.follow(
                self.student, decay=teacher_decay(self.step, self.config.teacher.decay)
            )
        else:
            put_back(self.bare, statistics)
            self._count_skipped()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return {**terms, 'gradient_norm': norm.detach()}

    def _gradients(self, batches: Sequence[Batch]) -> tuple[dict[str, Tensor], bool]:
        """Mean terms of the batches, and whether all losses were finite and gradients are there.

        A loss that is not is noticed before its gradient: a NaN among the pixels to look up ends
        the process on a CPU, and a gradient scaler would wait for an update that never comes.
        """
        generator = self._step_generator()
        told: list[dict[str, Tensor]] = []
        for place, batch in enumerate(batches):
            last = place == len(batches) - 1
            with self.fabric.no_backward_sync(self.networks, enabled=not last):
                losses, self.views = self.objective(
                    batch, self.networks, self.teacher, self.step, generator
                )
                told.append(losses.terms)
                if not self._everywhere(torch.isfinite(losses.total)):
                    return _mean_terms(told), False
                self.fabric.backward(losses.total / len(batches))
        return _mean_terms(told), True

    def _step_generator(self) -> torch.Generator:
        """All randomness of a step follows from seed, step and rank: resuming needs no state."""
        rank, world = self.fabric.global_rank, self.fabric.world_size
        number = (self.config.seed * 1_000_003 + self.step) * world + rank
        number %= 2**63  # torch takes no more
        torch.manual_seed(number)  # dropout draws from torch's own generator
        return torch.Generator().manual_seed(number)

    def _clipped_norm(self) -> Tensor:
        norm = self.fabric.clip_gradients(
            self.networks,
            self.optimiser,
            max_norm=self.config.optimiser.max_gradient_norm,
            error_if_nonfinite=False,  # counted and skipped below instead
        )
        assert norm is not None
        return norm

    def _everywhere(self, ours: Tensor) -> bool:
        """Whether it is true in every process.

        Refusals are counted: sums of small whole numbers are exact, while a mean of ones need not
        be one (NCCL multiplies by 1 / n first, which n = 10 or 12 round).
        """
        refused = self.fabric.all_reduce((~ours.detach()).float(), reduce_op='sum')
        return not bool(refused)

    def _mean_of_all(self, ours: Tensor) -> Tensor:
        return cast(Tensor, self.fabric.all_reduce(ours, reduce_op='mean'))

    def _count_skipped(self) -> None:
        """Count a step that came to nothing, and stop after too many in a row."""
        self.skipped += 1
        self._skipped_in_a_row += 1
        logger.warning('step %d: loss or gradient is not finite, step skipped', self.step)
        if self._skipped_in_a_row >= NON_FINITE_LIMIT:
            raise DivergedError(
                f'{NON_FINITE_LIMIT} steps in a row up to step {self.step} had a loss or gradient '
                'that is not finite; lower optimiser.rate or look at the data'
            )

    def _set_rates(self) -> None:
        factor = rate_factor(self.step, self.config.steps, self.config.optimiser.schedule)
        for group in self.optimiser.param_groups:
            group['lr'] = group['base_rate'] * factor

    def state(self) -> dict[str, Any]:
        """Everything that must survive, besides the config."""
        precision = self.fabric.strategy.precision
        start = {'start': self.start.network.state_dict()} if self.start else {}
        return {
            **start,
            'step': self.step,
            'skipped': self.skipped,
            'networks': self.bare.state_dict(),
            'teacher': self.teacher.network.state_dict(),
            'class_bias': self.teacher.bias.state_dict(),
            'optimiser': self.optimiser.state_dict(),
            'precision': precision.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """The inverse of `state`, strict."""
        self.step, self.skipped = state['step'], state['skipped']
        self.bare.load_state_dict(state['networks'])
        self.teacher.network.load_state_dict(state['teacher'])
        if self.start:
            self.start.network.load_state_dict(state['start'])
        if 'class_bias' in state:  # states of versions before it have none
            self.teacher.bias.restore(state['class_bias'])
        self.optimiser.load_state_dict(state['optimiser'])
        self.fabric.strategy.precision.load_state_dict(state['precision'])

    def start_from(self, networks: dict[str, Tensor]) -> None:
        """Take another run's networks, not its optimiser or step; the teacher starts as a copy.

        What may differ is told by `inherit`.
        """
        inherit(self.bare, networks)
        for each in filter(None, (self.teacher, self.start)):
            each.network.load_state_dict(self.student.state_dict())


def _mean_terms(told: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each term over the batches that have it: one without neighbours has fewer."""
    names = dict.fromkeys(name for each in told for name in each)
    return {
        name: torch.stack([each[name] for each in told if name in each]).mean() for name in names
    }


def build_student(config: TrainingConfig) -> Any:
    """The student, on public ImageNet weights if asked for."""
    choice = config.network
    try:
        return build_network(choice.config(), pretrained=choice.pretrained)
    except OSError as problem:  # every way in which a hub can be out of reach
        raise ConfigError(
            f'network.pretrained asks for public weights of {choice.config().encoder!r}, which '
            'this machine cannot fetch; put them into the hub cache or set network.pretrained '
            f'to false ({problem})'
        ) from problem


def reference_encoder(config: TrainingConfig, student: Any) -> torch.nn.Module | None:
    """The frozen ImageNet encoder that depth pre-training stays close to, if there is one."""
    frozen = config.optimiser.encoder_rate == 0
    if not config.network.pretrained or frozen or not config.loss.feature_distance:
        return None
    return copy.deepcopy(student.encoder).eval().requires_grad_(False)


def build_optimiser(networks: LearnerNetworks, config: OptimiserConfig) -> torch.optim.Optimizer:
    """One group per rate: the encoder, the rest of the student, the pose network."""
    encoder = list(networks.student.encoder.parameters())
    of_encoder = {id(each) for each in encoder}
    rest = [each for each in networks.student.parameters() if id(each) not in of_encoder]
    pose_rate = config.pose_rate if networks.pose.config.learned else 0.0
    rated = (
        (encoder, config.encoder_rate),
        (rest, config.rate),
        (list(networks.pose.parameters()), pose_rate),
    )
    for members, rate in rated:
        for each in members:  # what has no rate is frozen
            each.requires_grad_(rate > 0)
    groups = [
        {'params': members, 'lr': rate, 'base_rate': rate} for members, rate in rated if rate > 0
    ]
    if config.kind == 'sgd':
        return torch.optim.SGD(
            groups, lr=config.rate, momentum=0.9, weight_decay=config.weight_decay, foreach=True
        )
    return torch.optim.AdamW(
        groups, lr=config.rate, weight_decay=config.weight_decay, foreach=True
    )
