"""The lines of the evidence table: the base recipe, each part of the method alone, everything.

And the configs of their runs, and of the runs that they start from.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from sds_training.command_line import read_config
from sds_training.config import TrainingConfig
from sds_training.run.run_state import config_digest

logger = logging.getLogger(__name__)


def mix(**shares: float) -> str:
    """The override that mixes these shares of the pictures, and leaves the others out."""
    kinds = dict.fromkeys(('none', 'class_mix', 'depth_mix', 'affine_mix'), 0.0)
    return f'--mix={json.dumps(kinds | shares)}'


NO_MIX, DEPTH_MIX = mix(none=1.0), mix(depth_mix=1.0)
AFFINE_MIX = mix(depth_mix=0.5, affine_mix=0.5)
# Mixing is not free: where labels are few and depth is young an unmixed picture teaches more.
SOME_AFFINE_MIX = mix(none=0.75, affine_mix=0.25)
FROM_LABELLED = '--mix.givers=labelled'
DEBIASED = '--teacher.debias=1'
NO_COLOR_AUG = '--color_aug.probability=0'
NO_GROUND = ('--loss.road=0', '--loss.standing=0')
PLAIN = (NO_COLOR_AUG, *NO_GROUND)


@dataclass(frozen=True)
class Variant:
    """One line of the table: a name and how it differs from the config."""

    name: str
    meaning: str
    exchange: str
    words: tuple[str, ...]

    @property
    def folder(self) -> str:
        """The name as part of a path."""
        return self.name.replace(' + ', '_plus_').replace(' ', '_')


# Depth is learnt from video in every line, with the base recipe's exchange unless CCAM is the
# question, so that a difference has one cause.
VARIANTS = (
    Variant('labelled only', 'no pseudo labels', 'pad', ('--loss.consistency=0', *PLAIN)),
    Variant('mean teacher', 'pseudo labels on unmixed pictures', 'pad', (NO_MIX, *PLAIN)),
    Variant(
        'base', 'the base recipe: pseudo labels on DepthMix pictures', 'pad', (DEPTH_MIX, *PLAIN)
    ),
    Variant('base + CCAM', 'CCAM in place of PAD', 'ccam', (DEPTH_MIX, *PLAIN)),
    Variant(
        'base + labelled givers',
        'mixed-in objects come from pictures that people labelled (mix.givers)',
        'pad',
        (DEPTH_MIX, FROM_LABELLED, *PLAIN),
    ),
    # The teacher is sure of too few things to move: of 150 pictures 3 to 6 received one.
    Variant(
        'base + labelled givers + AffineMix',
        'objects from pictures that people labelled, by AffineMix in half of the pictures',
        'pad',
        (AFFINE_MIX, FROM_LABELLED, *PLAIN),
    ),
    Variant(
        'base + ColorAug', 'the student sees recoloured pictures', 'pad', (DEPTH_MIX, *NO_GROUND)
    ),
    Variant(
        'base + ground',
        'semantics tells depth of road and feet (loss.road, loss.standing)',
        'pad',
        (DEPTH_MIX, NO_COLOR_AUG),
    ),
    Variant(
        'base + debiased teacher',
        'what the teacher says too often is taken from its scores (teacher.debias)',
        'pad',
        (DEPTH_MIX, DEBIASED, *PLAIN),
    ),
    Variant(
        'debiased mean teacher',
        'pseudo labels on unmixed pictures, from a debiased teacher',
        'pad',
        (NO_MIX, DEBIASED, *PLAIN),
    ),
    Variant(
        'everything',
        'CCAM, ColorAug, the ground terms of the config, debiased teacher; AffineMix with '
        'labelled givers for a quarter of the pictures, the others unmixed',
        'ccam',
        (SOME_AFFINE_MIX, FROM_LABELLED, DEBIASED),
    ),
    Variant(
        'everything but CCAM',
        'everything with PAD in place of CCAM',
        'pad',
        (SOME_AFFINE_MIX, FROM_LABELLED, DEBIASED),
    ),
    Variant(
        'everything but ground',
        'everything without the ground terms',
        'ccam',
        (SOME_AFFINE_MIX, FROM_LABELLED, DEBIASED, *NO_GROUND),
    ),
)


def config_of(file: str, words: list[str], variant: Variant, seed: int) -> TrainingConfig:
    """The config of one run of the ablation."""
    plain = read_config([file, *words], 'ablate')
    own = own_words(plain, variant.exchange, Path(plain.run_dir, variant.folder), seed)
    return read_config([file, *words, *variant.words, *own], 'ablate')


def own_words(config: TrainingConfig, exchange: str, folder: Path, seed: int) -> list[str]:
    """The overrides that make one run of a file: its exchange, its seed and where it lies."""
    return [
        f'--network.changes={json.dumps({**config.network.changes, "exchange": exchange})}',
        f'--run_dir={folder / f"seed_{seed}"}',
        f'--seed={seed}',
        f'--data.split_seed={seed}',
    ]


def different(variants: list[Variant], file: str, words: list[str]) -> list[Variant]:
    """The variants that differ from all before them: a config may know nothing of the ground."""
    kept: list[Variant] = []
    seen: dict[str, str] = {}
    for variant in variants:
        digest = config_digest(config_of(file, words, variant, seed=0))
        same = seen.setdefault(digest, variant.name)
        if same == variant.name:
            kept.append(variant)
        else:
            logger.info('%s is left out: in %s it is %s', variant.name, file, same)
    return kept


def start_config(
    file: str, words: list[str], exchange: str, seed: int, run_dir: str | None = None
) -> TrainingConfig:
    """The config of the run that the lines of a seed with this exchange start from.

    Of the overrides it takes those of the data, since it must not have seen other labels than the
    lines, and of the machine, which is the same; it lies beside them where they lie in `run_dir`.
    """
    plain = read_config([file], 'ablate')
    folder = Path(run_dir, 'start') if run_dir else Path(plain.run_dir)
    own = own_words(plain, exchange, folder / exchange, seed)
    return read_config([file, *shared_words(words), *own], 'ablate')


def shared_words(words: list[str]) -> list[str]:
    """The overrides of data and machine: `--data.labels=50`, or `--data.labels` and its value."""
    kept = []
    for place, word in enumerate(words):
        if word.split('=')[0].split('.')[0] in ('--data', '--fabric'):
            kept += words[place : place + (1 if '=' in word else 2)]
    return kept
