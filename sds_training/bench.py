"""Where a training step's time goes: `python -m sds_training.bench CONFIG [--FIELD VALUE ...]`.

Prints shares of one step and compares the cache with the original files, all in one run. Shares
of a part count its forward pass; what a term costs with its backward pass is the difference
between steps with and without it, taken in interleaved rounds.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from unittest import mock

import torch
from lightning_fabric import Fabric

from sds_training.command_line import read_config
from sds_training.config import TrainingConfig
from sds_training.data.clips import Pools, training_pools
from sds_training.data.config import DataConfig
from sds_training.data.loading import StepBatches
from sds_training.data.samples import Batch
from sds_training.exit_codes import REFUSED
from sds_training.learner import Learner
from sds_training.neighbour_terms import NeighbourTerms
from sds_training.networks import joint
from sds_training.run.devices import launched
from sds_training.run.passport import data_passport, known_before
from sds_training.train import PROBLEMS

WARM_UP = 3  # steps


class Clock:
    """Adds up the seconds spent inside the callables it is wrapped around."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, owner: Any, name: str) -> AbstractContextManager[object]:
        """Within it `owner.name` is replaced by itself, timed."""
        original: Callable[..., Any] = getattr(owner, name)

        def timed(*arguments: Any, **options: Any) -> Any:
            began = now()
            try:
                return original(*arguments, **options)
            finally:
                self.seconds += now() - began

        return mock.patch.object(owner, name, timed)


def now() -> float:
    """Seconds, once a GPU has done all that it was given so far."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return perf_counter()


def group_of(
    supply: StepBatches, step: int, config: TrainingConfig, fabric: Fabric
) -> list[Batch]:
    """The batches of one step: as many as gradients are accumulated over."""
    many = config.fabric.accumulate
    return [supply[step * many + each].to(fabric.device) for each in range(many)]


def step_shares(
    config: TrainingConfig, pools: Pools, fabric: Fabric, steps: int
) -> dict[str, float]:
    """Median seconds per step, and shares of it, over `steps` steps after those to warm up."""
    passport = data_passport(config, pools, known_before(config))
    learner = Learner(config, fabric, passport['camera']['fy'], passport.get('start_size'))
    brightness = passport['brightness']
    supply = StepBatches(config.data, pools, config.seed, brightness=brightness)
    parts = {
        'loader': [(StepBatches, '__getitem__')],
        'follow and optimiser': [(learner.teacher, 'follow'), (learner.optimiser, 'step')],
        'pose, photometric': [
            (joint, 'predict_motion'),
            (NeighbourTerms, '__call__'),
        ],
    }
    for step in range(WARM_UP):
        learner.advance(group_of(supply, step, config, fabric))
    clocks, spent = {name: Clock() for name in parts}, []
    with ExitStack() as stack:
        for name, callables in parts.items():
            for each in callables:
                stack.enter_context(clocks[name].around(*each))
        for step in range(WARM_UP, WARM_UP + steps):
            began = now()
            learner.advance(group_of(supply, step, config, fabric))
            spent.append(now() - began)
    shares = {f'share of {name}': clock.seconds / sum(spent) for name, clock in clocks.items()}
    return {'s_per_step': median(spent), 'best_s_per_step': min(spent), **shares}


def depth_cost(config: TrainingConfig, pools: Pools, fabric: Fabric, rounds: int) -> float:
    """Share of a joint step that the depth terms cost with their backward pass."""
    without = replace(config, loss=replace(config.loss, depth=0.0, speed=0.0))
    passport = data_passport(config, pools, known_before(config))
    seen = passport['camera']['fy'], passport.get('start_size')
    learners = [Learner(each, fabric, *seen) for each in (config, without)]
    brightness = passport['brightness']
    supply = StepBatches(config.data, pools, config.seed, brightness=brightness)
    spent: list[list[float]] = [[], []]
    for step in range(rounds + 2):
        batches = group_of(supply, step, config, fabric)
        for seconds, learner in zip(spent, learners, strict=True):
            began = now()
            learner.advance(batches)
            seconds.append(now() - began)
    full, rest = (median(each[2:]) for each in spent)
    return 1 - rest / full


def cache_gain(config: DataConfig, pools: Pools, batches: int) -> float:
    """How many times faster batches come from the cache than from the original files."""
    seconds = []
    for use_cache, count in ((True, batches * 10), (False, batches)):
        supply = StepBatches(replace(config, use_cache=use_cache, workers=0), pools, 0)
        supply[0]
        began = perf_counter()
        for step in range(count):
            supply[step + 1]
        seconds.append((perf_counter() - began) / count)
    return seconds[1] / seconds[0]


def main(arguments: list[str] | None = None) -> int:
    """Print the figures and the machine's facts as JSON; 2 with a sentence where it cannot."""
    parser = argparse.ArgumentParser(prog='bench', description=__doc__)
    parser.add_argument('config', help='training file')
    parser.add_argument('--rounds', type=int, default=20)
    options, words = parser.parse_known_args(arguments)
    try:
        figures = measured(options.config, options.rounds, words)
    except PROBLEMS as problem:
        print(f'bench: {problem}', file=sys.stderr)
        return REFUSED
    if figures:
        print(json.dumps(figures, indent=1))
    return 0


def measured(file: str, rounds: int, words: list[str]) -> dict[str, Any] | None:
    """The machine's facts and the figures of a training file with its overrides.

    None in all processes but the first.
    """
    with tempfile.TemporaryDirectory() as folder:
        words = [*words, f'--run_dir={Path(folder)}', '--teacher.start_step=0']
        config = read_config([file, *words], 'bench')
        fabric = launched(config)
        pools = training_pools(config.data)
        figures: dict[str, float] = {}
        if config.stage == 'joint':  # depth pre-training is nothing without it
            figures['share of depth with backward'] = depth_cost(config, pools, fabric, rounds)
        figures |= step_shares(config, pools, fabric, rounds)
        if config.data.use_cache:
            figures['cache gain over originals'] = cache_gain(config.data, pools, 4)
    if not fabric.is_global_zero:
        return None
    facts = {
        'torch': torch.__version__,
        'threads': torch.get_num_threads(),
        'crop': list(config.data.crop),
        'batch': config.data.labelled_batch + config.data.unlabelled_batch,
        'accumulate': config.fabric.accumulate,
    }
    return {**facts, **{name: round(value, 4) for name, value in figures.items()}}


if __name__ == '__main__':
    raise SystemExit(main())
