"""What several processes do apart or together, and how each learns that another failed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import torch
from lightning_fabric import Fabric

from sds_training.exit_codes import REFUSED, STOPPED
from sds_training.run.interruption import Interrupted

Result = TypeVar('Result')


class ElsewhereError(Exception):
    """Another process could not go on and says why; this one leaves quietly, with its code."""

    def __init__(self, code: int) -> None:
        super().__init__(f'another process ended with code {code}')
        self.code = code


class FirstProcessError(ElsewhereError):
    """The first failed at what it does alone, and answers no more."""


class OtherProcessError(ElsewhereError):
    """One failed at its share of what all do; they all know, and still answer each other."""


def first_speaks_for_all(fabric: Fabric) -> None:
    """Let the others of the same training keep to themselves what all of them find."""
    if not fabric.is_global_zero:
        logging.getLogger('sds_training').setLevel(logging.ERROR)


def by_first_alone(fabric: Fabric, work: Callable[[], object]) -> None:
    """Let the first process do `work`; the others wait until it is done.

    Whatever it raises there, the others get a FirstProcessError: in a collective that the first
    never enters they would end in tracebacks of their own, and take its sentence with them.
    """
    problem: BaseException | None = None
    if fabric.is_global_zero:
        try:
            work()
        except BaseException as raised:
            problem = raised
    stopped = isinstance(problem, Interrupted | KeyboardInterrupt)
    code = fabric.broadcast((STOPPED if stopped else REFUSED) if problem else 0)
    if problem:
        raise problem
    if code:
        raise FirstProcessError(code)


def by_all_or_none(
    fabric: Fabric,
    work: Callable[[], Result],
    refusals: type[Exception] | tuple[type[Exception], ...],
) -> Result:
    """What each process gets from its own `work`, if none of them fails.

    `work` must not wait for other processes: one that has failed does not come.

    Raises:
        refusals: where it failed here; not where the first process failed as well and tells it.
        OtherProcessError: in all others.
    """
    problem: Exception | None = None
    try:
        result = work()
    except refusals as raised:
        problem = raised
    if not in_any(fabric, problem is not None):
        return result
    told = fabric.broadcast(problem is not None) and not fabric.is_global_zero
    raise OtherProcessError(REFUSED) if told or problem is None else problem


def in_any(fabric: Fabric, so: bool) -> bool:
    """Whether it is so in any process; each must come by here."""
    if fabric.world_size == 1:
        return so
    told = torch.tensor(float(so), device=fabric.device)
    return bool(fabric.all_reduce(told, reduce_op='sum') > 0)


def same_in_all(fabric: Fabric, number: int) -> bool:
    """Whether all processes have the same number; each must come by here."""
    return not in_any(fabric, fabric.broadcast(number) != number)
