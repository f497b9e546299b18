"""Which frames go through the network next: the newest of every camera, together, fairly.

Knows neither ROS nor images. A camera has room for one waiting frame, so memory and delay are
bounded; a camera that fell silent is not waited for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Frame = TypeVar('Frame')
LARGEST_BATCH = 16  # frames in one network call


class RateCap:
    """Lets at most `rate_hz` frames per second through, on average; 0 lets all through."""

    def __init__(self) -> None:
        self._due_s: float | None = None

    def admits(self, now_s: float, rate_hz: float) -> bool:
        """True where the frame that arrived at `now_s` keeps the rate."""
        if rate_hz <= 0:
            self._due_s = None
            return True
        period_s = 1 / rate_hz
        due_s = now_s if self._due_s is None or now_s < self._due_s - period_s else self._due_s
        if now_s < due_s - 0.1 * period_s:  # a camera's own jitter must not halve the rate
            return False
        self._due_s = max(due_s, now_s - period_s) + period_s
        return True


class Scheduler(Generic[Frame]):
    """One waiting frame per camera; `take` hands out all that wait, the oldest first."""

    def __init__(
        self,
        cameras: Sequence[str],
        deadline_s: Callable[[], float] = lambda: 0.0,
        *,
        largest_batch: int = LARGEST_BATCH,
        silent_after_s: float = 0.5,
    ) -> None:
        self._cameras = tuple(cameras)
        self._deadline_s = deadline_s
        self._largest_batch = largest_batch
        self._silent_after_s = silent_after_s
        self._waiting: dict[str, tuple[float, Frame]] = {}  # camera -> (arrival, frame)
        self._last_seen_s: dict[str, float] = {}
        self._changed = threading.Condition()
        self._open = True

    def offer(self, camera: str, frame: Frame) -> bool:
        """Leave the newest frame of `camera`; True where it replaced one nobody had taken."""
        with self._changed:
            now_s = time.monotonic()
            replaced = self._waiting.get(camera)
            # The place in the queue is the camera's, not the frame's: a fast camera cannot
            # push itself to the back for ever, nor past the others.
            self._waiting[camera] = (replaced[0] if replaced else now_s, frame)
            self._last_seen_s[camera] = now_s
            self._changed.notify()
            return replaced is not None

    def take(self, timeout_s: float | None = None) -> list[tuple[str, Frame]]:
        """Wait for work and return at most one frame per camera; empty when closed or timed out.

        After the first frame the others are waited for until the deadline, unless they are
        silent.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or not self._open, timeout_s)
            if self._waiting and self._open:
                first_s = min(arrived for arrived, _ in self._waiting.values())
                left_s = first_s + self._deadline_s() - time.monotonic()
                if left_s > 0:
                    self._changed.wait_for(self._complete, left_s)
            return self._take_all() if self._open else []

    def close(self) -> None:
        """End every `take`, now and later; waiting frames are forgotten."""
        with self._changed:
            self._open = False
            self._waiting.clear()
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """True after `close`."""
        return not self._open

    def _complete(self) -> bool:
        """Nobody else is worth waiting for; called with the lock held."""
        now_s = time.monotonic()
        awaited = [
            camera
            for camera in self._cameras
            if camera not in self._waiting
            and now_s - self._last_seen_s.get(camera, -1e9) < self._silent_after_s
        ]
        return not awaited or len(self._waiting) >= self._largest_batch or not self._open

    def _take_all(self) -> list[tuple[str, Frame]]:
        oldest_first = sorted(self._waiting, key=lambda camera: self._waiting[camera][0])
        chosen = oldest_first[: self._largest_batch]
        return [(camera, self._waiting.pop(camera)[1]) for camera in chosen]
