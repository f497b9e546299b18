"""One measured figure, and the timing of alternatives in interleaved rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter

import numpy as np


@dataclass(frozen=True)
class Figure:
    """One row of the table."""

    group: str
    name: str
    value: float
    unit: str = ''  # ms, x, %, GFLOP/s, Hz, MB
    goal: str = ''  # such as '>= 1.75'; '' where none is set
    note: str = ''

    @property
    def reached(self) -> bool | None:
        """Whether the goal holds; None without one."""
        if not self.goal:
            return None
        sign, bound = self.goal.split()
        return self.value >= float(bound) if sign == '>=' else self.value <= float(bound)


@dataclass(frozen=True)
class Timing:
    """Milliseconds of every timed call of one alternative."""

    calls_ms: tuple[float, ...]

    @property
    def best(self) -> float:
        """The least disturbed call."""
        return min(self.calls_ms)

    @property
    def median(self) -> float:
        """What one can count on while others work too."""
        return float(np.median(self.calls_ms))

    def percentile(self, percent: float) -> float:
        """Of all timed calls."""
        return float(np.percentile(self.calls_ms, percent))


@dataclass(frozen=True)
class Budget:
    """How long one comparison may take."""

    seconds: float
    calls: int = 3  # timed calls of each alternative per round
    rounds: int = 40  # at most


def timed_rounds(
    alternatives: Mapping[str, Callable[[], object]], budget: Budget
) -> dict[str, Timing]:
    """Time all alternatives in turn, round after round, until the budget is spent.

    The first call of each turn is not counted: it wakes threads and caches which the alternative
    before has put to sleep or filled. There are always at least three rounds.
    """
    calls: dict[str, list[float]] = {name: [] for name in alternatives}
    ends = perf_counter() + budget.seconds
    for number in range(budget.rounds):
        if number >= 3 and perf_counter() > ends:
            break
        for name, run in alternatives.items():
            run()
            calls[name] += [_ms(run) for _ in range(budget.calls)]
    return {name: Timing(tuple(each)) for name, each in calls.items()}


def _ms(run: Callable[[], object]) -> float:
    began = perf_counter()
    run()
    return 1e3 * (perf_counter() - began)


def times(group: str, timings: Mapping[str, Timing], note: str = '') -> list[Figure]:
    """Best and median of every alternative as rows."""
    return [
        Figure(
            group, name, each.best, 'ms', note=f'median {each.median:.1f}{note and "; " + note}'
        )
        for name, each in timings.items()
    ]


def ratio(
    group: str, name: str, slow: Timing, fast: Timing, goal: str = '', note: str = ''
) -> Figure:
    """How many times faster, by best calls; the medians' ratio is told beside it."""
    said = f'medians {slow.median / fast.median:.2f}'
    return Figure(
        group, name, slow.best / fast.best, 'x', goal, f'{said}; {note}' if note else said
    )
