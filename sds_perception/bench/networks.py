"""The network itself: eager against engine, the ceiling, one network or two, CCAM on or off."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from sds_perception.bench.cpu_engines import BASE, WINOGRAD, cpu_engines
from sds_perception.bench.figures import Budget, Figure, Timing, ratio, timed_rounds, times
from sds_perception.bench.machine import PROBE_GFLOP, convolution_probe
from sds_perception.bench.single_task import single_task_runs
from sds_perception.engines import Engine
from sds_perception.engines.onnx_engine import OnnxEngine
from sds_perception.engines.parity import measure_parity
from sds_perception.engines.reference_frames import synthetic_frames
from sds_perception.engines.torch_engine import TorchEngine
from sds_perception.network import NETWORKS, NetworkConfig, SdsNetwork
from sds_perception.release import Release, untrained_release

# Besides the named ones, an encoder of depthwise convolutions.
BENCHED = {**NETWORKS, 'mobile': NetworkConfig(encoder='mobilenetv3_large_100')}
SPEED_UP_GOALS = {'vehicle': '>= 1.75', 'mobile': '>= 2.8'}
CEILING_GOALS = {'vehicle': '>= 90'}


def benched_release(name: str, size: tuple[int, int]) -> Release:
    """Random weights: time does not depend on them, accuracy is not looked at."""
    return untrained_release(BENCHED[name], size)


def gflop(network: SdsNetwork, size: tuple[int, int]) -> float:
    """Work per frame by torch's counter, without the heads only training uses."""
    network.side_head = nn.Identity()  # type: ignore[assignment]
    for place in range(len(network.depth_heads) - 1):
        network.depth_heads[place] = nn.Identity()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, *size))
    return counter.get_total_flops() / 1e9


def engine_figures(
    name: str, size: tuple[int, int], cache: Path, budget: Budget
) -> tuple[list[Figure], dict[str, Timing]]:
    """Eager, reference engine, the CPU's other engines, and the probe, in rounds."""
    release, frames = benched_release(name, size), synthetic_frames(size, 2)
    group = f'{name} {size[1]}x{size[0]}'
    network, image = release.network(), torch.zeros(1, 3, *size)
    engines = cpu_engines(release, cache)
    built = {'torch engine': TorchEngine(release), **engines}
    runs: dict[str, Callable[[], object]] = {'eager': lambda: network(image)}
    runs |= {each: lambda engine=engine: engine(frames[:1]) for each, engine in built.items()}
    runs['convolution probe'] = convolution_probe()
    with torch.inference_mode():
        timings = timed_rounds(runs, budget)
    probe = timings.pop('convolution probe')
    figures, work = times(group, timings), gflop(release.network(), size)
    figures += _ceiling(name, group, work, engines, timings, probe)
    figures += _parity(group, release, engines.values(), frames)
    return figures, {f'{group} {each}': timing for each, timing in timings.items()}


def _ceiling(
    name: str,
    group: str,
    work: float,
    engines: Iterable[str],
    timings: dict[str, Timing],
    probe: Timing,
) -> list[Figure]:
    """Speed-ups, and what share of the probe's speed each engine reaches."""
    ceiling = PROBE_GFLOP / (probe.best * 1e-3)
    figures = [
        Figure(group, 'work', work, 'GFLOP'),
        Figure(group, 'convolution probe', ceiling, 'GFLOP/s', note='same rounds'),
        ratio(group, f'torch engine / {BASE}', timings['torch engine'], timings[BASE]),
    ]
    for each in engines:
        goal, share_goal = '', ''
        if each in (BASE, WINOGRAD):  # what float32 has to reach
            goal, share_goal = SPEED_UP_GOALS.get(name, ''), CEILING_GOALS.get(name, '')
        share = 100 * work / (timings[each].best * 1e-3) / ceiling
        note = 'of the fp32 probe'
        figures += [
            ratio(group, f'eager / {each}', timings['eager'], timings[each], goal),
            Figure(group, f'ceiling reached, {each}', share, '%', share_goal, note),
        ]
    return figures


def _parity(
    group: str, release: Release, engines: Iterable[Engine], frames: np.ndarray
) -> list[Figure]:
    reports = [measure_parity(each, release, frames) for each in engines]
    return [
        Figure(
            group,
            f'labels equal, {each.engine}',
            100 * each.labels,
            '%',
            f'>= {100 * each.limits.labels:g}',
            f'depth median {each.depth_median:.0e}; random weights',
        )
        for each in reports
    ]


def sharing_figures(name: str, size: tuple[int, int], cache: Path, budget: Budget) -> list[Figure]:
    """One joint network against two of one task each, and CCAM against no exchange."""
    group, frames = f'{name} {size[1]}x{size[0]} sharing', np.zeros((1, *size, 3), np.uint8)
    joint = OnnxEngine(benched_release(name, size), cache=cache)
    config = replace(BENCHED[name], exchange='none')
    separate = untrained_release(config, size)
    without = OnnxEngine(separate, cache=cache)
    runs = {
        'joint': lambda: joint(frames),
        'no exchange': lambda: without(frames),
        **single_task_runs(separate.network(), size, cache),
    }
    timings = timed_rounds(runs, budget)
    best = {each: timing.best for each, timing in timings.items()}
    two = best['semantics alone'] + best['depth alone']
    ccam = 100 * (best['joint'] - best['no exchange']) / best['joint']
    return [
        *times(group, timings),
        Figure(group, 'joint / two networks', best['joint'] / two, 'x', '<= 0.6'),
        Figure(group, 'CCAM share of the time', ccam, '%', '<= 3'),
    ]
