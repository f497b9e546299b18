"""Processes that load batches: their problems reach a person as sentences, and stops the loop."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import cv2
import torch
from torch.utils.data import Dataset

from sds_training.data.cityscapes import DataError
from sds_training.data.samples import Batch


def begin_worker(worker: int) -> None:
    """Workers are the parallelism: threads inside them would only fight each other.

    A stop is the loop's to hear. Sent to all processes, as a scheduler or a terminal does, it
    would end the workers, and with them the step that the loop wants to finish and save.
    """
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


class ErrorsAsItems(Dataset):
    """Batches for a worker, whose problem with a file must reach the person as one sentence.

    What a worker raises arrives as a page of traceback; so it hands the problem over.
    """

    def __init__(self, steps: Dataset) -> None:
        self._steps = steps

    def __getitem__(self, step: int) -> Batch | DataError:
        try:
            return self._steps[step]
        except DataError as problem:
            return problem


def reraised(items: Iterable[Batch | DataError]) -> Iterator[Batch]:
    """The batches, and in this process what a worker had to say instead of one."""
    for each in items:
        if isinstance(each, DataError):
            try:
                raise each
            finally:
                del each  # it knows this frame: together they would keep the workers alive
        yield each


@contextmanager
def lost_workers_told() -> Iterator[None]:
    """Tell in a sentence of a worker that was ended from outside.

    torch raises this wherever the loop happens to be, so that nothing of its step can be kept. Of
    a worker that ended as it handed a batch over, the connection is what is lost.
    """
    try:
        yield
    except (RuntimeError, ConnectionError, EOFError) as problem:
        known = str(problem).startswith('DataLoader worker')
        if isinstance(problem, RuntimeError) and not known:
            raise
        raise DataError(
            f'a process that loads batches was ended from outside, perhaps for want of memory '
            f'({problem}); the same command continues from the last saved state, and fewer '
            'data.workers need less memory'
        ) from problem
