"""Every frame of a source through the Perceiver into a sink, once, with progress and an end."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tqdm import tqdm

from sds_perception.ego_hood import HoodMask, MaskError
from sds_perception.finishing import finished
from sds_perception.metric_scale import LATE_S, FirstKnown
from sds_perception.offline.frames import Frame, Skipped, Source
from sds_perception.offline.sinks import Sink
from sds_perception.perceiver import FrameError, Perceiver

_LINE_EVERY_S = 5.0  # of plain progress, where nobody watches a bar
_NAMED = 5  # skipped pictures named in full

Tick = Callable[[], object]


@dataclass
class Tally:
    """What became of a run."""

    expected: int
    done: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)  # frames by depth kind
    seconds: Counter[str] = field(default_factory=Counter)  # by stage, summed
    stopped: bool = False  # by the user, before the end

    def lines(self) -> Iterator[str]:
        """The run in sentences."""
        seen = self.done + len(self.skipped)
        of = f' of {self.expected}' if seen < self.expected else ''
        kinds = ''.join(f', {count} with {kind} depth' for kind, count in self.kinds.items())
        frames = 'frame' if self.done == 1 and not of else 'frames'
        yield f'{"stopped after" if self.stopped else "perceived"} {self.done}{of} {frames}{kinds}'
        if self.done:
            stages = (f'{k} {1e3 * s / self.done:.1f}' for k, s in self.seconds.items())
            yield f'milliseconds per frame: {", ".join(stages)}'
        for each in self.skipped[:_NAMED]:
            yield f'skipped {each.name}: {each.reason}'
        if len(self.skipped) > _NAMED:
            yield f'skipped {len(self.skipped) - _NAMED} more'


def perceive_all(
    source: Source,
    perceiver: Perceiver,
    scale: FirstKnown,
    sink: Sink,
    max_depth_m: float | None = None,
    hood: HoodMask | None = None,
) -> Tally:
    """Run the source to its end or a stop; what cannot be used is named and skipped."""
    tally, last_ns = Tally(source.count), 0
    with _progress(source.count) as tick, _asked_to_stop() as asked:
        for item in source.frames():
            if isinstance(item, Frame):
                if last_ns - item.stamp_ns >= LATE_S * 1e9:
                    scale.reset()  # the drive began again
                    last_ns = 0
                last_ns = max(last_ns, item.stamp_ns)
                item = _perceive(item, perceiver, scale, sink, tally, max_depth_m, hood)
            if isinstance(item, Skipped):
                tally.skipped.append(item)
            tick()
            if asked.is_set():
                tally.stopped = True
                break
    return tally


def _perceive(
    frame: Frame,
    perceiver: Perceiver,
    scale: FirstKnown,
    sink: Sink,
    tally: Tally,
    max_depth_m: float | None,
    hood: HoodMask | None,
) -> Skipped | None:
    camera = frame.calibration.camera if frame.calibration else None
    try:
        if hood is not None:
            hood.require_fits((frame.rgb.shape[0], frame.rgb.shape[1]))
        scene = perceiver(frame.rgb, camera)
    except (FrameError, MaskError) as problem:
        return Skipped(frame.name, str(problem))
    began = time.perf_counter()
    scene, estimate = finished(scene, frame.calibration, hood, scale, max_depth_m)
    scaled = time.perf_counter()
    sink.write(frame, scene, estimate)
    tally.seconds.update(scene.timings)
    tally.seconds.update({'scale': scaled - began, 'write': time.perf_counter() - scaled})
    tally.kinds[scene.depth_kind] += 1
    tally.done += 1
    return None


@contextmanager
def _asked_to_stop() -> Iterator[threading.Event]:
    """Set by Ctrl-C or SIGTERM: the frame in hand is written whole; a second one ends at once."""
    asked = threading.Event()

    def ask(*_: object) -> None:
        asked.set()
        for each in before:
            signal.signal(each, signal.default_int_handler)

    before = {each: signal.signal(each, ask) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def _progress(expected: int) -> Iterator[Tick]:
    """A bar on a terminal, a line every few seconds elsewhere; call what it yields per frame."""
    if sys.stderr.isatty():
        with tqdm(total=expected or None, unit='frame') as bar:
            yield bar.update
        return
    yield _plain_lines(expected).__next__


def _plain_lines(expected: int) -> Iterator[None]:
    done, last_s = 0, time.monotonic()
    while True:
        done += 1
        if time.monotonic() - last_s > _LINE_EVERY_S:
            last_s = time.monotonic()
            print(f'{done} of {expected or "?"} frames', file=sys.stderr, flush=True)
        yield


def printed(lines: Iterable[str]) -> None:
    """Print a line each."""
    for line in lines:
        print(line, flush=True)
