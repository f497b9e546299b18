"""The mean teacher: a slow average of the student that gives targets and receives no gradient."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from sds_perception.labels import CLASSES
from sds_perception.network import Prediction, SdsNetwork
from sds_training.class_bias import ClassBias
from sds_training.config_error import require


@dataclass(frozen=True)
class TeacherConfig:
    """How the mean teacher follows, and when it is believed."""

    decay: float = 0.99
    """Share of its old weights the teacher keeps each step; lower in the first steps."""

    trust: Literal['batch', 'pixel'] = 'batch'
    """Weight of a pseudo label: the batch's share of pixels over the threshold for all of them
    (method.md 1.6), or 1 over and 0 under it, pixel by pixel."""

    threshold: float = 0.968
    """Class probability over which a pixel is trusted."""

    debias: float = 0.0
    """How much of the logarithm of its mean class probabilities is taken from the teacher's scores
    before it is believed (0 to 1): keeps the frequent classes from growing into the rare ones."""

    start_step: int = 0
    """First step with pseudo labels."""

    def __post_init__(self) -> None:
        require(0 <= self.decay < 1, 'teacher.decay', self.decay, '[0, 1)')
        require(0 <= self.threshold <= 1, 'teacher.threshold', self.threshold, '[0, 1]')
        require(0 <= self.debias <= 1, 'teacher.debias', self.debias, '[0, 1]')
        require(self.start_step >= 0, 'teacher.start_step', self.start_step, '0 or more')


class FrozenCopy:
    """A copy of a network that answers in eval mode and receives no gradient."""

    def __init__(
        self,
        student: SdsNetwork,
        autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        """A copy of `student`, computing in the precision that `autocast` sets, as it does."""
        self.network = copy.deepcopy(student).eval().requires_grad_(False)
        self.autocast = autocast

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Prediction:
        """What it believes of (B, 3, H, W) RGB in [0, 1]; builds no graph."""
        with self.autocast():
            return self.network(image)


class MeanTeacher(FrozenCopy):
    """Follows a student; its only way to change is `follow`.

    Deviation from method.md 1.6: buffers are copied and the teacher is in eval mode, because
    batch statistics of two frames are a poor description of a street (method.md 1.7).
    """

    def __init__(
        self,
        student: SdsNetwork,
        autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
        mean_of_all: Callable[[Tensor], Tensor] = lambda ours: ours,
    ) -> None:
        """A copy of `student`; `mean_of_all` makes one tensor of those of all processes."""
        super().__init__(student, autocast)
        self.bias = ClassBias(len(CLASSES), mean_of_all).to(student.pixel_mean.device)

    @torch.no_grad()
    def follow(self, student: nn.Module, decay: float) -> None:
        """Keep `decay` of its own parameters, take the rest and all buffers from the student."""
        mine: list[Tensor] = list(self.network.parameters())
        theirs: list[Tensor] = list(student.parameters())
        torch._foreach_lerp_(mine, theirs, 1.0 - decay)
        torch._foreach_copy_(list(self.network.buffers()), list(student.buffers()))


def trust_in(confidence: Tensor, threshold: float, per_pixel: bool) -> Tensor:
    """How far a belief is to be trusted: 1 where it is sure, or everywhere the share that is.

    Args:
        confidence: (B, H, W), probability of the label; zero where void, which counts as unsure.
        threshold: the least confidence that counts as sure.
        per_pixel: False for one number for the whole batch, as in method.md 1.6.

    Returns:
        (B, H, W) in [0, 1].
    """
    sure = (confidence >= threshold).to(confidence.dtype)
    return sure if per_pixel else sure.mean().expand_as(sure)
