"""The loop, in the order things happen: batch, step, journal, pictures, state, scores, release."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import Tensor

from sds_perception.network.config import NetworkConfigError
from sds_perception.release import ReleaseError
from sds_training.command_line import read_config
from sds_training.config import TrainingConfig
from sds_training.config_error import ConfigError, require
from sds_training.data.cityscapes import DataError
from sds_training.data.clips import Pools, training_pools
from sds_training.data.loader_workers import lost_workers_told
from sds_training.data.loading import StepBatches
from sds_training.data.samples import Batch
from sds_training.exit_codes import REFUSED, STOPPED
from sds_training.learner import DivergedError, Learner
from sds_training.run.devices import launched
from sds_training.run.interruption import Interrupted, stop_requests
from sds_training.run.journal import Journal, Lap
from sds_training.run.own_streets import render_streets
from sds_training.run.passport import Before, data_passport, known_before
from sds_training.run.pictures import step_pictures
from sds_training.run.processes import (
    ElsewhereError,
    OtherProcessError,
    by_all_or_none,
    by_first_alone,
    first_speaks_for_all,
    in_any,
    same_in_all,
)
from sds_training.run.run_state import (
    RunStateError,
    describe_run,
    only_run,
    require_same_data,
    save_state,
    writing,
)
from sds_training.scoring import finish, scored
from sds_training.warm_start import comparable, semantics_from_depth

logger = logging.getLogger(__name__)

PROBLEMS = (
    ConfigError,
    DataError,
    DivergedError,
    NetworkConfigError,
    ReleaseError,
    RunStateError,
)  # each with a sentence for the person who asked for the run
OUTSIDE_THE_LOOP = 'stopped before its first or after its last step; the same command continues'


def train(config: TrainingConfig) -> Path | None:
    """Train as `config` says, continuing where an earlier part stopped.

    Returns the release; None in all processes but the first.
    """
    require_statistics(config)
    fabric = launched(config)
    first_speaks_for_all(fabric)
    with ExitStack() as stack:

        def prepare() -> None:
            stack.enter_context(only_run(Path(config.run_dir)))
            render_streets(config)

        by_first_alone(fabric, prepare)
        with lost_workers_told():
            path = train_on(fabric, config)
    return path if fabric.is_global_zero else None


def require_statistics(config: TrainingConfig) -> None:
    """Refuse to keep what nobody knows; not the config's law, as an ablation gives the start."""
    known = config.init_from is not None or config.optimiser.statistics == 'batch'
    wanted = "'batch' where init_from is null: nothing is there to keep"
    require(known, 'optimiser.statistics', config.optimiser.statistics, wanted)


def train_on(fabric: Fabric, config: TrainingConfig) -> Path:
    """The same on launched devices, alone in the run's folder; the path of the release."""
    run_dir = Path(config.run_dir)
    pools, passport, before = by_all_or_none(fabric, lambda: data_of(config), PROBLEMS)
    learner = Learner(config, fabric, passport['camera']['fy'], passport.get('start_size'))
    start = partial(begin, learner, passport, before)
    passport['started_from'] = by_all_or_none(fabric, start, PROBLEMS)
    del start, before  # a whole state, which the learner holds now
    require_one_folder(learner)
    told = {'config': asdict(config), 'passport': passport}
    by_first_alone(fabric, lambda: describe_run(run_dir, told))
    with writing(run_dir):
        journal = Journal(run_dir, learner.step, config.steps) if fabric.is_global_zero else None
        with stop_requests() as stop:
            try:
                with closing(journal) if journal else nullcontext():
                    walk(learner, pools, journal, passport, stop)
            except (DataError, DivergedError, Interrupted, OtherProcessError):
                save_state(fabric, config, learner.state(), passport)
                raise
        return finish(learner, passport)


def data_of(config: TrainingConfig) -> tuple[Pools, dict[str, Any], Before]:
    """The frames to learn from, what the run's passport tells of them, and what was before."""
    pools, before = training_pools(config.data), known_before(config)
    return pools, data_passport(config, pools, before), before


def walk(
    learner: Learner,
    pools: Pools,
    journal: Journal | None,
    passport: dict[str, Any],
    stop: threading.Event,
) -> None:
    """The steps from where the learner stands to the last one."""
    config, fabric, often = learner.config, learner.fabric, learner.config.journal
    supply = step_batches(learner, pools, passport['brightness'])
    lap = Lap()
    while learner.step < config.steps:
        with lap.waiting():
            read = by_all_or_none(fabric, lambda: next(supply), DataError)
            group = [batch.to(fabric.device) for batch in read]
        terms = learner.advance(group)
        step, last = learner.step, learner.step == config.steps
        if journal:
            report(journal, learner, terms, lap)
        if step % often.save_every == 0 or last:
            save_state(fabric, config, learner.state(), passport)
        if often.evaluate_every and step % often.evaluate_every == 0 and not last:
            scored(learner, passport, journal, stop)
        if in_any(fabric, stop.is_set()) and not last:  # all after the same step
            raise Interrupted(f'stopped after step {step}; the same command continues')


def report(journal: Journal, learner: Learner, terms: dict[str, Tensor], lap: Lap) -> None:
    """Figures and pictures of the steps just taken, as often as the config wants them."""
    step, often = learner.step, learner.config.journal
    last = step == learner.config.steps
    journal.moved_on()
    lap.add(terms)
    if step % often.print_every == 0 or last:
        journal.record(step, 'train', {**lap.finish(), 'skipped': learner.skipped})
    if (step % often.picture_every == 0 or last) and learner.views is not None:
        for name, picture in step_pictures(learner.views).items():
            journal.picture(step, name, picture)


def begin(learner: Learner, passport: dict[str, Any], before: Before) -> dict[str, Any] | None:
    """Continue this run, or start it from another one's networks, or from nothing.

    Args:
        learner: before its first step.
        passport: what the run knows of its data now.
        before: the run's newest state, or the networks that it starts from.

    Returns what the run's passport tells of the networks it started from, None for nothing.
    """
    config, origin, known = learner.config, before.origin, before.passport
    if before.state is not None and known is not None:
        require_same_data(config.run_dir, known, passport)
        learner.load(before.state)
        logger.info('continuing %s after step %d', config.run_dir, learner.step)
        return known.get('started_from')
    if origin is None:
        return None
    networks = comparable(origin, config)
    logger.info('starting from the networks of %s', config.init_from)
    if origin.stage == 'depth' and config.stage == 'joint':
        networks = semantics_from_depth(networks)
        logger.info('they know depth alone: the semantic decoder starts as a copy of its decoder')
    elif config.stage == 'joint' and not (config.loss.depth or config.loss.kept_depth):
        logger.warning(
            'what init_from knows of depth is lost as labels teach: loss.depth and '
            'loss.kept_depth are 0'
        )
    learner.start_from(networks)
    return origin.passport


def require_one_folder(learner: Learner) -> None:
    """Refuse processes that found different states, as machines with disks of their own do."""
    if not same_in_all(learner.fabric, learner.step):
        raise RunStateError(
            f'{learner.config.run_dir} stands at step {learner.step} for process '
            f'{learner.fabric.global_rank} and elsewhere for another; wanted one folder that all '
            'machines of the run share'
        )


def step_batches(learner: Learner, pools: Pools, brightness: float) -> Iterator[list[Batch]]:
    """The batches of each step still to go: as many as gradients are accumulated over."""
    config, fabric = learner.config, learner.fabric
    many = config.fabric.accumulate
    place = fabric.global_rank, fabric.world_size
    steps = StepBatches(config.data, pools, config.seed, *place, brightness)
    flat = steps.between(learner.step * many, config.steps * many)
    while True:
        yield [next(flat) for _ in range(many)]


def main(arguments: list[str] | None = None) -> int:
    """`sds-train CONFIG.yaml [--field value ...]`; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    try:
        path = train(read_config(sys.argv[1:] if arguments is None else arguments))
    except PROBLEMS as problem:
        print(f'sds-train: {problem}', file=sys.stderr)
        return REFUSED
    except (Interrupted, KeyboardInterrupt) as stopped:
        print(f'sds-train: {str(stopped) or OUTSIDE_THE_LOOP}', file=sys.stderr)
        return STOPPED
    except ElsewhereError as told:
        return told.code
    if path:
        print(path)
    return 0


if __name__ == '__main__':
    sys.exit(main())
