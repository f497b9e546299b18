"""The loop, in the order things happen: batch, step, journal, pictures, scores, state, release."""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from sds_perception.perceiver import Perceiver
from sds_perception.release import Release, write_release
from sds_training.command_line import read_config
from sds_training.config import ConfigError, JournalConfig, TrainingConfig
from sds_training.data.cityscapes import DataError
from sds_training.data.loading import batches
from sds_training.data.samples import Batch
from sds_training.data.validation import validation_frames
from sds_training.evaluate import Scores, evaluate
from sds_training.export import release_of
from sds_training.journal import Journal
from sds_training.learner import DivergedError, Learner
from sds_training.metrics import PROTOCOLS
from sds_training.passport import data_passport
from sds_training.pictures import step_pictures
from sds_training.run_state import RunStateError, newest_state, read_state, save_state

logger = logging.getLogger(__name__)

RELEASE = 'release.safetensors'


class Interrupted(Exception):
    """Somebody asked the run to stop; its state has been saved."""


def train(config: TrainingConfig) -> Path:
    """Train as `config` says, continuing where an earlier part stopped; return the release."""
    fabric = launched(config)
    run_dir = Path(config.run_dir)
    passport = data_passport(config)
    learner = Learner(config, fabric, passport['camera']['fy'])
    begin(learner)
    if fabric.is_global_zero:
        run_dir.mkdir(parents=True, exist_ok=True)
        (run_dir / 'config.json').write_text(json.dumps(asdict(config), indent=1) + '\n')
        (run_dir / 'passport.json').write_text(json.dumps(passport, indent=1) + '\n')
    journal = Journal(run_dir, learner.step, config.steps) if fabric.is_global_zero else None
    with stop_requests() as stop:
        try:
            walk(config, learner, journal, passport, stop)
        except (DivergedError, Interrupted):
            save_state(fabric, config, learner.state(), passport)
            raise
        finally:
            if journal:
                journal.close()
    return finish(config, learner, passport)


def walk(
    config: TrainingConfig,
    learner: Learner,
    journal: Journal | None,
    passport: dict[str, Any],
    stop: threading.Event,
) -> None:
    """The steps from where the learner stands to the last one."""
    fabric, often = learner.fabric, config.journal
    supply = step_batches(config, fabric, learner.step)
    lap = Lap()
    while learner.step < config.steps:
        with lap.waiting():
            group = [batch.to(fabric.device) for batch in next(supply)]
        terms = learner.advance(group)
        step, last = learner.step, learner.step == config.steps
        if journal:
            report(journal, learner, terms, lap, often, last)
        if often.evaluate_every and step % often.evaluate_every == 0 and not last:
            scored(config, learner, passport, journal)
        if step % often.save_every == 0 or last:
            save_state(fabric, config, learner.state(), passport)
        if stop.is_set() and not last:
            raise Interrupted(f'stopped after step {step}; the same command continues')


def report(
    journal: Journal,
    learner: Learner,
    terms: dict[str, Tensor],
    lap: Lap,
    often: JournalConfig,
    last: bool,
) -> None:
    """Figures and pictures of the steps just taken, as often as the config wants them."""
    step = learner.step
    journal.moved_on()
    lap.add(terms)
    if step % often.print_every == 0 or last:
        journal.record(step, 'train', {**lap.finish(), 'skipped': learner.skipped})
    if (step % often.picture_every == 0 or last) and learner.views is not None:
        for name, picture in step_pictures(learner.views).items():
            journal.picture(step, name, picture)


class Lap:
    """Means of the terms since the last record, seconds per step, and the share of waiting."""

    def __init__(self) -> None:
        self._began, self._waited, self._steps = time.perf_counter(), 0.0, 0
        self._terms: dict[str, list[Tensor]] = {}

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count what happens inside as waiting for data."""
        asked = time.perf_counter()
        yield
        self._waited += time.perf_counter() - asked

    def add(self, terms: dict[str, Tensor]) -> None:
        """Note one step; a term may be missing where a batch had nothing for it."""
        self._steps += 1
        for name, value in terms.items():
            self._terms.setdefault(name, []).append(value)

    def finish(self) -> dict[str, float]:
        """Figures of this lap; starts the next one."""
        spent = time.perf_counter() - self._began
        means = {name: float(torch.stack(each).mean()) for name, each in self._terms.items()}
        times = {'s_per_step': spent / self._steps, 'loader_share': self._waited / spent}
        self.__init__()  # type: ignore[misc]
        return {**means, **times}


def launched(config: TrainingConfig) -> Fabric:
    """Fabric on the devices asked for; under torchrun or SLURM it finds its place by itself."""
    wide = config.fabric.devices * config.fabric.num_nodes > 1
    fabric = Fabric(
        accelerator=config.fabric.accelerator,
        # Stages leave some heads without gradients: the side head in depth pre-training.
        strategy='ddp_find_unused_parameters_true' if wide else 'auto',
        devices=config.fabric.devices,
        num_nodes=config.fabric.num_nodes,
        precision=config.fabric.precision,
    )
    fabric.launch()
    if config.fabric.threads:
        torch.set_num_threads(config.fabric.threads)
    return fabric


def begin(learner: Learner) -> None:
    """Continue this run, or start it from another one's networks, or from nothing."""
    config = learner.config
    state = newest_state(config)
    if state is not None:
        learner.load(state)
        logger.info('continuing %s after step %d', config.run_dir, learner.step)
    elif config.init_from is not None:
        learner.start_from(read_state(config.init_from))
        logger.info('starting from the networks of %s', config.init_from)


def step_batches(config: TrainingConfig, fabric: Fabric, step: int) -> Iterator[list[Batch]]:
    """The batches of each step from `step` on: as many as gradients are accumulated over."""
    many = config.fabric.accumulate
    flat = batches(
        config.data,
        'train',
        config.seed,
        step * many,
        config.steps * many,
        fabric.global_rank,
        fabric.world_size,
    )
    while True:
        yield [next(flat) for _ in range(many)]


def scored(
    config: TrainingConfig, learner: Learner, passport: dict[str, Any], journal: Journal | None
) -> dict[str, float]:
    """Scores of the teacher on the validation split, through the vehicle's own Perceiver."""
    learner.fabric.barrier()
    if not learner.fabric.is_global_zero:
        return {}
    try:
        frames = validation_frames(config.data, 'val')
    except DataError as nothing:
        logger.info('not evaluated: %s', nothing)
        return {}
    most = config.journal.evaluate_frames
    if most and len(frames) > most:
        frames = frames[:: -(-len(frames) // most)]
    perceiver = Perceiver.from_release(
        released(config, learner, passport), device=str(learner.fabric.device), detail='fine'
    )
    figures = headline(evaluate(perceiver, frames, protocol=PROTOCOLS['full']))
    if journal:
        journal.record(learner.step, 'evaluate', figures)
    return figures


def headline(scores: Scores) -> dict[str, float]:
    """The few figures a run is judged by while it goes."""
    figures = {
        'mean_iou': scores.mean_iou,
        'abs_rel': scores.depth['abs_rel'],
        'abs_rel_scaled': scores.depth_median_scaled['abs_rel'],
    }
    return {name: value for name, value in figures.items() if value is not None}


def released(
    config: TrainingConfig,
    learner: Learner,
    passport: dict[str, Any],
    scores: dict[str, float] | None = None,
) -> Release:
    """The teacher as it is now (the student in depth pre-training, which has no teacher)."""
    which = 'teacher' if config.stage == 'joint' else 'student'
    network = learner.teacher.network if which == 'teacher' else learner.student
    weights = {name: each.detach().cpu().clone() for name, each in network.state_dict().items()}
    return release_of(config, weights, {**passport, 'step': learner.step, 'which': which}, scores)


def finish(config: TrainingConfig, learner: Learner, passport: dict[str, Any]) -> Path:
    """Score the trained network and write its release."""
    path = Path(config.run_dir, RELEASE)
    scores = scored(config, learner, passport, None)
    if learner.fabric.is_global_zero:
        (path.parent / 'scores.json').write_text(json.dumps(scores, indent=1) + '\n')
        write_release(path, released(config, learner, passport, scores))
    return path


class stop_requests:
    """Turn SIGINT and SIGTERM into an event that the loop looks at between steps."""

    def __enter__(self) -> threading.Event:
        self._event = threading.Event()
        self._before: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, lambda *_: self._event.set())
        return self._event

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def main(arguments: list[str] | None = None) -> int:
    """`sds-train CONFIG.yaml [--field value ...]`; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    config = read_config(sys.argv[1:] if arguments is None else arguments)
    try:
        path = train(config)
    except (ConfigError, DataError, RunStateError, DivergedError, RuntimeError) as problem:
        if type(problem) is RuntimeError and 'network.pretrained' not in str(problem):
            raise
        print(f'sds-train: {problem}', file=sys.stderr)
        return 2
    except Interrupted as stopped:
        print(f'sds-train: {stopped}', file=sys.stderr)
        return 130
    print(path)
    return 0


if __name__ == '__main__':
    sys.exit(main())
