"""The proof: each part of the method added to the base recipe, on equal data, steps and seeds.

`python -m sds_training.ablate CONFIG` trains what is missing of variants x seeds, one after the
other and resumable, and writes means, deviations and a plot to evidence.md in the folder of the
runs. With `--start` the lines of a seed start from runs of another file, on the same data: one for
each exchange, since an exchange that is fresh when a line begins has no time to show its worth.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sds_perception.release import Release, read_release
from sds_training.command_line import read_config
from sds_training.config import TrainingConfig
from sds_training.config_error import ConfigError
from sds_training.data.cityscapes import digest_of
from sds_training.data.clips import training_pools
from sds_training.evidence import Outcome, write_evidence
from sds_training.exit_codes import REFUSED, STOPPED
from sds_training.run.interruption import Interrupted
from sds_training.run.origin import read_origin
from sds_training.run.own_streets import render_streets
from sds_training.run.passport import Before, data_passport
from sds_training.run.run_state import (
    RunStateError,
    require_same_config,
    require_same_data,
    saved_states,
)
from sds_training.scoring import RELEASE, SCORES, frames_to_score
from sds_training.train import PROBLEMS, train
from sds_training.variants import (
    VARIANTS,
    Variant,
    config_of,
    different,
    shared_words,
    start_config,
)

logger = logging.getLogger(__name__)


def require_one_process(*configs: TrainingConfig) -> None:
    """Refuse runs of several processes, which cannot be started a second time by one command."""
    for fabric in (each.fabric for each in configs):
        if fabric.devices * fabric.num_nodes > 1:
            raise ConfigError(
                f'fabric.devices times fabric.num_nodes is {fabric.devices} times '
                f'{fabric.num_nodes}, wanted 1: an ablation trains its runs one after the other '
                'in one process; divide --seeds or --only over devices instead'
            )


def start_of(config: TrainingConfig) -> str:
    """The last state of a start; trains it if missing."""
    logger.info('start %s', config.run_dir)
    run(config)
    states = saved_states(config.run_dir)
    if not states:
        raise RunStateError(
            f'{config.run_dir} has ended and has no states any more, from which lines start; put '
            'them back, or remove the folder and the same command trains it again'
        )
    return str(states[-1])


def run(config: TrainingConfig) -> dict[str, float]:
    """Scores of one run; trains it, or what is left of it, if they are not there yet.

    Raises:
        RunStateError: when its folder holds the finished run of another config or of other
            frames, or it could not be scored.
    """
    scores, release = Path(config.run_dir, SCORES), Path(config.run_dir, RELEASE)
    if scores.is_file() and release.is_file():
        require_same_run(config, read_release(release))
    else:
        train(config)
    if not scores.is_file():
        raise RunStateError(
            f'{config.run_dir} has no scores, a validation file or the engine could not be used; '
            'mend it, and the same command goes on'
        )
    told = dict(json.loads(scores.read_text()))
    require_same_scoring(config, told)
    return told


def require_same_scoring(config: TrainingConfig, told: dict[str, Any]) -> None:
    """Refuse scores of other frames or classes than `config` would score now."""
    names = [frame.name for frame in frames_to_score(config)]
    now = {'fold': config.journal.evaluate_fold, 'frames_sha256': digest_of(names)}
    changed = [name for name, value in now.items() if told.get(name, value) != value]
    if changed:
        raise RunStateError(
            f'{config.run_dir} was scored otherwise than this table is ({", ".join(changed)} '
            'changed since); without its scores.json the same command scores it again'
        )


def require_same_run(config: TrainingConfig, release: Release) -> None:
    """Refuse the release of another config or start, or of other frames than are there now."""
    known = release.provenance
    before = dict(known['config'])
    start = read_origin(config.init_from) if config.init_from else None
    if start:
        if not start.began(known):
            raise RunStateError(
                f'{config.run_dir} grew from another start than {config.init_from} is now; remove '
                'its folder and the same command trains it again'
            )
        before['init_from'] = config.init_from
    require_same_config(config, before)
    render_streets(config)
    camera = asdict(release.camera) if release.camera else None
    before = {'data': known.get('data'), 'camera': camera}
    now = data_passport(config, training_pools(config.data), Before(origin=start))
    require_same_data(config.run_dir, before, now)


def main(arguments: list[str] | None = None) -> int:
    """`ablate CONFIG [--seeds 0 1 2] [--only NAME ...] [--FIELD VALUE ...]`."""
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    parser = _parser()
    options, words = parser.parse_known_args(arguments)
    if len(set(options.seeds)) < len(options.seeds):
        parser.error(f'--seeds {" ".join(map(str, options.seeds))} names one twice')
    given = {word.split('=')[0] for word in words}
    if own := given & {'--seed', '--data.split_seed'}:
        parser.error(f'{min(own)} is set for each line; the seeds of a table are --seeds')
    if options.run_dir:
        words.append(f'--run_dir={options.run_dir}')
    chosen = [each for each in VARIANTS if not options.only or each.name in options.only]
    try:
        config = read_config([options.config, *words], 'ablate')
        starts = starts_of(chosen, options, words, seed=0).values()
        require_one_process(config, *starts)
        outcomes = compared(different(chosen, options.config, words), options, words)
        output = options.output or Path(config.run_dir, 'evidence.md')
        title, told = options.title or options.config, facts(config, options, words)
        write_table(output, title, told, outcomes)
    except PROBLEMS as problem:
        print(f'ablate: {problem}', file=sys.stderr)
        return REFUSED
    except (Interrupted, KeyboardInterrupt):
        print('ablate: stopped; the same command continues', file=sys.stderr)
        return STOPPED
    print(output)
    return 0


def write_table(
    output: Path, title: str, told: dict[str, str], outcomes: Sequence[Outcome]
) -> None:
    """Write the table; its runs are kept where that is not possible."""
    try:
        write_evidence(output, title, told, outcomes)
    except OSError as problem:
        raise ConfigError(
            f'{output} cannot be written ({problem}); give another --output, the runs are kept'
        ) from problem


def compared(
    variants: list[Variant], options: argparse.Namespace, words: list[str]
) -> list[Outcome]:
    """The scores of every line and seed; trains what is missing."""
    scores: dict[str, list[dict[str, float]]] = {each.name: [] for each in variants}
    for seed in options.seeds:  # seeds outside: an early stop leaves all lines equally far
        starts = starts_of(variants, options, words, seed)
        begin = {name: [f'--init_from={start_of(each)}'] for name, each in starts.items()}
        for variant in variants:
            logger.info('%s, seed %d', variant.name, seed)
            first = begin.get(variant.exchange, [])
            line = config_of(options.config, [*first, *words], variant, seed)
            scores[variant.name].append(run(line))
    return [Outcome(each.name, tuple(scores[each.name]), each.meaning) for each in variants]


def starts_of(
    variants: list[Variant], options: argparse.Namespace, words: list[str], seed: int
) -> dict[str, TrainingConfig]:
    """The start of each exchange among the lines of a seed; none without `--start`."""
    exchanges = sorted({each.exchange for each in variants}) if options.start else []
    return {
        each: start_config(options.start, words, each, seed, options.run_dir) for each in exchanges
    }


def facts(config: TrainingConfig, options: argparse.Namespace, words: list[str]) -> dict[str, str]:
    """What the table tells of its runs."""
    start = 'none'
    if options.start:
        first = read_config([options.start, *shared_words(words)], 'ablate')
        start = f'{options.start}, {first.steps} steps, {first.data.labels} labels'
        start += ', with the exchange of the line'
    return {
        'config': options.config,
        'start': start,
        'overrides': ' '.join(words) or 'none',
        'seeds': ' '.join(map(str, options.seeds)),
        'steps': str(config.steps),
        'labels': str(config.data.labels),
    }


def _parser() -> argparse.ArgumentParser:
    # Without abbreviations: --seed is the config's, and not short for --seeds.
    parser = argparse.ArgumentParser(prog='ablate', description=__doc__, allow_abbrev=False)
    parser.add_argument('config', help='training file that all runs share')
    parser.add_argument('--start', help='training file of the runs that the lines start from')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--only', nargs='+', choices=[each.name for each in VARIANTS])
    parser.add_argument('--run_dir', help="folder of all runs (default: the file's own)")
    parser.add_argument('--output', type=Path, help='(default: evidence.md in run_dir)')
    parser.add_argument('--title', default='', help='what the runs were made on, in words')
    return parser


if __name__ == '__main__':
    sys.exit(main())
