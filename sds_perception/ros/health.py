"""What happened to the frames of a camera, how long each stage took, and what was seen around it.

Knows no ROS; `diagnosis` turns these facts into a level and one sentence.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

import numpy as np

STAGES = ('wait', 'decode', 'prepare', 'network', 'post', 'publish', 'total', 'age')
SHARES = (50, 95, 99)  # percentiles
PATIENCE_S = 2.0  # what does not come for so long is missed, however often one looks


class Fate(StrEnum):
    """What can happen to a frame; the names are those of the counters in reports and topics."""

    RECEIVED = 'received'  # it came from the middleware
    OUT_OF_ORDER = 'out of order'  # left out: its stamp lies just before its predecessor's
    JUMPED_BACK = 'stamps jumped back'  # its stamp lies far before: filters start anew with it
    NOT_WANTED = 'nobody subscribed'  # left out: it would have been seen for nobody
    OVER_RATE = 'over max_rate_hz'  # left out: it came too soon after the last
    DROPPED = 'dropped'  # a newer one took its place before the network was free
    TOO_OLD = 'too old'  # left out: older than max_age_s when its turn came
    REJECTED = 'rejected'  # it or its CameraInfo cannot be read; counted by cause as well
    FAILED = 'failed'  # decoding, network or publishing raised what nobody expected
    PROCESSED = 'processed'  # its results were published


class Level(IntEnum):
    """The levels of diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


class Latency:
    """Seconds per stage of the last frames, and their percentiles."""

    def __init__(self, window: int = 1024) -> None:
        self._window = window
        self._stages: dict[str, deque[float]] = {}

    def add(self, seconds: Mapping[str, float]) -> None:
        """Record one frame: stage name -> seconds."""
        for stage, value in seconds.items():
            self._stages.setdefault(stage, deque(maxlen=self._window)).append(value)

    def percentiles_ms(self) -> dict[str, dict[str, float]]:
        """Stage -> {'p50', 'p95', 'p99'} in milliseconds, in the order of `STAGES`."""
        known = [stage for stage in STAGES if stage in self._stages]
        table = {}
        for stage in known + sorted(set(self._stages) - set(known)):
            values = np.percentile(np.fromiter(self._stages[stage], float), SHARES) * 1e3
            table[stage] = {
                f'p{p}': round(float(v), 3) for p, v in zip(SHARES, values, strict=True)
            }
        return table

    def clear(self) -> None:
        """Forget all; done when time jumps back."""
        self._stages.clear()


@dataclass
class Surroundings:
    """What the node can see around one camera, renewed by a timer of the executor."""

    topic: str = ''
    publishers: int = 0
    foreign_type: str = ''  # why what is published there cannot be heard, as a sentence
    incompatible_qos: str = ''  # the policy that keeps a publisher from reaching us
    camera_fault: str = ''  # why the CameraInfo cannot be used, as a sentence
    clock_stopped: bool = False  # use_sim_time, and /clock never began or says nothing new
    max_age_s: float = 0.0  # older frames are left out; 0 takes any
    wanted: bool = True  # somebody subscribes to an output


@dataclass
class CameraHealth:
    """Counters and latency of one camera; safe to use from several threads.

    What is one value is simply set; what is counted or kept together is under the lock.
    """

    name: str
    counts: Counter[str] = field(default_factory=Counter)
    latency: Latency = field(default_factory=Latency)
    around: Surroundings = field(default_factory=Surroundings)
    last_rejection: str = ''
    scale: str = ''  # where the metres come from, as a sentence
    lens_fault: str = ''  # why the CameraInfo does not serve the newest frame, as a sentence
    age_s: float = 0.0  # of the newest frame that had its turn; negative where it is of the future
    opened_s: float = field(default_factory=time.monotonic)  # when the node began to listen
    last_arrival_s: float | None = None  # since then
    _looks: deque[tuple[float, Counter[str]]] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._looks.append((self.opened_s, Counter(self.counts)))

    def opened(self) -> None:
        """Begin anew to wait for frames; what was counted stays."""
        with self._lock:
            self.opened_s, self.last_arrival_s = time.monotonic(), None
            self.lens_fault, self.age_s = '', 0.0
            self._looks = deque([(self.opened_s, Counter(self.counts))])

    def appeared(self) -> None:
        """A publisher has come: wait anew for its first frame, unless that is here already."""
        if self.last_arrival_s is None or self.silent_s() >= PATIENCE_S:
            self.opened()

    def arrived(self) -> None:
        """Count one frame from the middleware."""
        self.last_arrival_s = time.monotonic()
        self.count(Fate.RECEIVED)

    def count(self, fate: Fate, number: int = 1) -> None:
        """Count frames that met this fate."""
        with self._lock:
            self.counts[fate] += number

    def reject(self, cause: str, sentence: str) -> None:
        """Count a frame that could not be used, under its cause, and keep the sentence."""
        with self._lock:
            self.counts[Fate.REJECTED] += 1
            self.counts[f'{Fate.REJECTED}: {cause}'] += 1
            self.last_rejection = sentence

    def processed(self, seconds: Mapping[str, float]) -> None:
        """Count one published frame with the seconds each stage took."""
        with self._lock:
            self.counts[Fate.PROCESSED] += 1
            self.latency.add(seconds)

    def forget_latency(self) -> None:
        """Start the percentiles anew."""
        with self._lock:
            self.latency.clear()

    def silent_s(self) -> float:
        """How long no frame has come."""
        return time.monotonic() - (self.last_arrival_s or self.opened_s)

    def lately(self) -> tuple[Counter[str], float]:
        """What was counted since a look `PATIENCE_S` ago or more, and over how many seconds."""
        with self._lock:
            now_s = time.monotonic()
            while len(self._looks) > 1 and now_s - self._looks[1][0] >= PATIENCE_S:
                self._looks.popleft()
            self._looks.append((now_s, Counter(self.counts)))
            then_s, before = self._looks[0]
            return self.counts - before, now_s - then_s

    def summary(self) -> dict[str, object]:
        """Counts and percentiles, ready for JSON."""
        with self._lock:
            return {
                'counts': dict(sorted(self.counts.items())),
                'latency_ms': self.latency.percentiles_ms(),
                'scale': self.scale,
                'last_rejection': self.last_rejection,
            }
