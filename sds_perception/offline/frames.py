"""What every source yields and every sink takes: frames with their origin, and named losses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sds_perception.calibration import Calibration


class OfflineError(ValueError):
    """An input or output that cannot be used; the message is one sentence."""


@dataclass(frozen=True)
class Frame:
    """One picture and where it came from."""

    name: str  # of its files: unique in its source
    rgb: NDArray[np.uint8]  # (H, W, 3)
    stamp_ns: int  # of the header; for pictures and videos counted from 0
    logged_ns: int  # when a bag recorded it; otherwise the stamp
    frame_id: str
    calibration: Calibration | None  # of `rgb`


@dataclass(frozen=True)
class Skipped:
    """A picture that could not be used, and why."""

    name: str
    reason: str


class Source(Protocol):
    """Something with frames in an order of its own."""

    count: int  # frames expected; 0 where nobody can say beforehand
    note: str  # what a reader of the results has to know; '' if nothing
    has_camera: bool  # whether its frames come with intrinsics

    def frames(self) -> Iterator[Frame | Skipped]:
        """Every frame once, in order."""
        ...


def without_holes(source: Source) -> Iterator[Frame]:
    """The frames of a drive; OfflineError at one that cannot be used."""
    for item in source.frames():
        if isinstance(item, Skipped):
            raise OfflineError(f'{item.name}: {item.reason}')
        yield item
