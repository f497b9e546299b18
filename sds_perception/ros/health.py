"""What happened to the frames, how long each stage took, and why nothing comes out.

Knows no ROS: `diagnose` turns the facts about one camera into a level and one sentence.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

STAGES = ('wait', 'decode', 'prepare', 'network', 'post', 'publish', 'total', 'age')
SHARES = (50, 95, 99)  # percentiles
PATIENCE_S = 2.0  # what does not come for so long is missed, however often one looks
NO_CLOCK = 'use_sim_time is true and no /clock arrives'


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
    """What the node can see around one camera, renewed before every diagnosis."""

    topic: str = ''
    publishers: int = 0
    foreign_type: str = ''  # why what is published there cannot be heard, as a sentence
    incompatible_qos: str = ''  # the policy that keeps a publisher from reaching us
    camera_fault: str = ''  # why the CameraInfo cannot be used, as a sentence
    clock_stopped: bool = False  # use_sim_time without /clock
    wanted: bool = True  # somebody subscribes to an output


@dataclass
class CameraHealth:
    """Counters and latency of one camera; safe to use from several threads."""

    name: str
    counts: Counter[str] = field(default_factory=Counter)
    latency: Latency = field(default_factory=Latency)
    around: Surroundings = field(default_factory=Surroundings)
    last_rejection: str = ''
    scale: str = ''  # where the metres come from, as a sentence
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
            self._looks = deque([(self.opened_s, Counter(self.counts))])

    def arrived(self) -> None:
        """Count one frame from the middleware."""
        self.last_arrival_s = time.monotonic()
        self.count('received')

    def count(self, what: str, number: int = 1) -> None:
        """Add to the counter named `what`."""
        with self._lock:
            self.counts[what] += number

    def reject(self, cause: str, sentence: str) -> None:
        """Count a frame that could not be used, under its cause, and keep the sentence."""
        with self._lock:
            self.counts['rejected'] += 1
            self.counts[f'rejected: {cause}'] += 1
            self.last_rejection = sentence

    def processed(self, seconds: Mapping[str, float]) -> None:
        """Count one published frame with the seconds each stage took."""
        with self._lock:
            self.counts['processed'] += 1
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


def diagnose(health: CameraHealth) -> tuple[Level, str]:
    """The level and the one sentence an operator needs about this camera now."""
    news, elapsed_s = health.lately()
    fault = _why_nothing_arrives(health) or _why_frames_fall(health, news)
    if elapsed_s >= PATIENCE_S:
        fault = fault or _why_nothing_comes_out(health, news)
    if fault:
        return fault
    if not health.around.wanted:
        return Level.OK, 'idle: frames arrive and nobody subscribes to an output'
    if health.around.camera_fault:
        return Level.WARN, health.around.camera_fault
    rate_hz = news['processed'] / elapsed_s if elapsed_s > 0 else 0.0
    return Level.OK, f'{rate_hz:.1f} frames per second; {health.scale}'.rstrip('; ')


def _why_nothing_arrives(health: CameraHealth) -> tuple[Level, str] | None:
    around, silent_s = health.around, health.silent_s()
    if health.last_arrival_s is not None and silent_s < PATIENCE_S:
        return None
    if around.foreign_type:
        return Level.ERROR, around.foreign_type
    if around.incompatible_qos:
        return (
            Level.ERROR,
            f'incompatible QoS on {around.topic}: its publisher does not offer the '
            f'{around.incompatible_qos} we ask for; set qos_reliability to match',
        )
    if around.publishers == 0:
        return Level.ERROR, f'no publisher on {around.topic}'
    if around.clock_stopped:
        return Level.ERROR, NO_CLOCK
    if silent_s < PATIENCE_S:
        return Level.OK, f'waiting for the first frame on {around.topic}'
    never = health.last_arrival_s is None
    silent = 'no frame has come yet' if never else f'no frame for {silent_s:.1f} s'
    return (
        Level.ERROR,
        f'{around.publishers} publisher(s) on {around.topic} but {silent}: either the camera is '
        f'not sending, or DDS drops fragments of large frames{_PROFILE}',
    )


_PROFILE = (
    '; point FASTDDS_DEFAULT_PROFILES_FILE and FASTRTPS_DEFAULT_PROFILES_FILE at the fastdds.xml '
    'of this package on both sides'
)


def _why_frames_fall(health: CameraHealth, news: Counter[str]) -> tuple[Level, str] | None:
    if news['failed']:
        return Level.ERROR, f'{news["failed"]} frames failed: {health.last_rejection}'
    if news['rejected']:
        level = Level.WARN if news['processed'] else Level.ERROR
        return level, f'{news["rejected"]} frames rejected: {health.last_rejection}'
    if news['too old'] and not news['processed']:
        return Level.ERROR, f'all {news["too old"]} frames were older than max_age_s'
    if news['stamps jumped back']:
        return Level.WARN, 'stamps jumped back: filters and latency start anew'
    return None


def _why_nothing_comes_out(health: CameraHealth, news: Counter[str]) -> tuple[Level, str] | None:
    """Frames were wanted all the time and arrived, and none came through."""
    around = health.around
    if news['processed'] or news['nobody subscribed'] or not (around.wanted and news['received']):
        return None
    if around.clock_stopped:  # the rate cap goes by it
        return Level.ERROR, NO_CLOCK
    if news['received'] - news['over max_rate_hz'] < 2:
        return None  # the one that was let through may still be at work
    fates = [f'{number} {fate}' for fate, number in sorted(news.items()) if fate != 'received']
    told = ', '.join(fates) or 'the network is still at the first'
    return Level.ERROR, f'{news["received"]} frames received and none came out: {told}'
