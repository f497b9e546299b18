"""What only the first process of a run does, and how the others learn that it failed."""

from __future__ import annotations

from collections.abc import Callable

from lightning_fabric import Fabric

from sds_training.exit_codes import REFUSED, STOPPED
from sds_training.run.interruption import Interrupted


class FirstProcessError(Exception):
    """The first process could not go on and says why; the others leave quietly, with its code."""

    def __init__(self, code: int) -> None:
        super().__init__(f'the first process ended with code {code}')
        self.code = code


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
