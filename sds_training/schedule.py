"""What changes with the step, as pure functions of the step: nothing here has a state to lose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sds_training.config_error import require


@dataclass(frozen=True)
class RateSchedule:
    """How the learning rate moves from the first step to the last."""

    kind: Literal['constant', 'drop', 'poly'] = 'drop'
    """'constant', 'drop' (once, by `drop_factor`) or 'poly' (to zero, by `power`)."""

    warm_up_steps: int = 0
    """Steps over which the rate rises linearly from nearly zero; 0 starts at the full rate."""

    drop_after: float = 0.75
    """Share of all steps after which a 'drop' schedule lowers the rate (method.md 1.6)."""

    drop_factor: float = 0.1
    """What a 'drop' schedule multiplies the rate with."""

    power: float = 0.9
    """Exponent of a 'poly' schedule."""

    def __post_init__(self) -> None:
        group = 'optimiser.schedule'
        require(self.warm_up_steps >= 0, f'{group}.warm_up_steps', self.warm_up_steps, '0 or more')
        require(0 <= self.drop_after <= 1, f'{group}.drop_after', self.drop_after, '[0, 1]')
        require(self.drop_factor > 0, f'{group}.drop_factor', self.drop_factor, 'more than 0')
        require(self.power > 0, f'{group}.power', self.power, 'more than 0')


def rate_factor(step: int, steps: int, schedule: RateSchedule) -> float:
    """What the base learning rate is multiplied with at `step` in 0 .. `steps` - 1."""
    factor = 1.0
    if schedule.kind == 'drop' and step >= schedule.drop_after * steps:
        factor = schedule.drop_factor
    elif schedule.kind == 'poly':
        factor = max(0.0, 1 - step / steps) ** schedule.power
    return factor * min(1.0, (step + 1) / max(1, schedule.warm_up_steps))


def teacher_decay(step: int, limit: float) -> float:
    """Share of itself the teacher keeps after step t: min(1 - 1 / (t + 1), limit).

    A plain average over the first steps; at step 0 the teacher becomes the student.
    """
    return min(1 - 1 / (step + 1), limit)
