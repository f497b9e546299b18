"""Many frames one after the other: does the tail stay short, and does memory stay where it is?"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from sds_perception.bench.figures import Figure, Timing
from sds_perception.bench.machine import resident_mb
from sds_perception.bench.networks import benched_release
from sds_perception.engines.onnx_engine import OnnxEngine
from sds_perception.engines.reference_frames import synthetic_frames
from sds_perception.perceiver import Perceiver
from sds_perception.process_memory import freeze_garbage_collector, keep_large_buffers

FRAME = (720, 1280)


def steady_figures(
    name: str, size: tuple[int, int], cache: Path, frames: int
) -> tuple[list[Figure], Timing]:
    """Tail and memory over many frames of 720p, scenes kept no longer than a frame.

    In a process of its own, as a node is: what earlier parts have left behind in the allocator is
    otherwise handed out here, 8 MB of it, and counted as growth.
    """
    with ProcessPoolExecutor(1, get_context('spawn'), _as_the_node_does) as process:
        growth, timing = process.submit(long_run, name, size, cache, frames).result()
    group, tail = f'{name} {size[1]}x{size[0]} steady', timing.percentile(99) / timing.median
    note = f'p50 {timing.median:.1f} ms, p99 {timing.percentile(99):.1f} ms, {frames} frames'
    return [
        Figure(group, 'p99 / p50', tail, 'x', '<= 1.5', note),
        Figure(group, 'resident growth', growth, 'MB', '<= 0.5', f'{frames} frames'),
    ], timing


def long_run(name: str, size: tuple[int, int], cache: Path, frames: int) -> tuple[float, Timing]:
    """Resident growth in MB and the time of each of `frames` frames, after a tenth to warm up."""
    release, rgb = benched_release(name, size), synthetic_frames(FRAME, 1)[0]
    perceiver = Perceiver(release, OnnxEngine(release, cache=cache))
    perceiver.warm_up(frames // 10 + 3)
    for _ in range(frames // 10 + 3):
        perceiver(rgb)
    before = resident_mb()
    calls = tuple(1e3 * sum(perceiver(rgb).timings.values()) for _ in range(frames))
    return resident_mb() - before, Timing(calls)


def _as_the_node_does() -> None:
    keep_large_buffers()
    freeze_garbage_collector()
