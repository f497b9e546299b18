"""Schedules are functions of the step alone."""

from __future__ import annotations

import pytest

from sds_training.config_error import ConfigError
from sds_training.schedule import (
    RateSchedule,
    rate_factor,
    teacher_decay,
)


def test_the_teacher_first_copies_then_averages_then_follows_slowly() -> None:
    assert teacher_decay(0, 0.99) == 0
    assert teacher_decay(1, 0.99) == 0.5
    assert teacher_decay(10_000, 0.99) == 0.99


def test_the_average_of_the_first_steps_is_plain() -> None:
    teacher = 0.0
    values = [3.0, 5.0, 10.0]
    for step, value in enumerate(values):
        decay = teacher_decay(step, 0.99)
        teacher = decay * teacher + (1 - decay) * value
    assert teacher == pytest.approx(sum(values) / len(values))


def test_a_drop_happens_once_at_its_share_of_the_steps() -> None:
    schedule = RateSchedule('drop', drop_after=0.75)
    factors = [rate_factor(step, 40, schedule) for step in range(40)]
    assert factors == [1.0] * 30 + [0.1] * 10


def test_poly_falls_steadily_from_one_towards_zero() -> None:
    factors = [rate_factor(step, 100, RateSchedule('poly')) for step in range(100)]
    assert factors[0] == 1 and 0 < factors[-1] < 0.02
    assert all(later < earlier for earlier, later in zip(factors, factors[1:], strict=False))


def test_poly_falls_by_its_power_and_a_warm_up_multiplies_it() -> None:
    schedule = RateSchedule('poly', power=2.0, warm_up_steps=4)
    factors = [rate_factor(step, 10, schedule) for step in (0, 1, 5, 9)]
    assert factors == pytest.approx([0.25, 0.9**2 / 2, 0.25, 0.01])


def test_warm_up_rises_linearly_and_never_starts_at_zero() -> None:
    schedule = RateSchedule('constant', warm_up_steps=4)
    assert [rate_factor(step, 9, schedule) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]


def test_without_a_warm_up_the_first_step_has_the_full_rate() -> None:
    assert rate_factor(0, 9, RateSchedule('constant')) == 1


@pytest.mark.parametrize('wrong', [{'power': 0}, {'drop_after': 1.5}, {'warm_up_steps': -1}])
def test_impossible_schedules_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        RateSchedule(**wrong)
