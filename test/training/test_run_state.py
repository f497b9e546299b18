"""Which runs are one run, and may go on in one folder."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from sds_training.command_line import read_config
from sds_training.config import TrainingConfig
from sds_training.run_state import RunStateError, config_digest, require_same_config

SMOKE = 'config/training/smoke.yaml'


def config_with(*words: str) -> TrainingConfig:
    return read_config([SMOKE, *words])


def plain(config: TrainingConfig) -> dict[str, Any]:
    """As a state or a release holds it."""
    return json.loads(json.dumps(asdict(config)))


@pytest.mark.parametrize(
    'word',
    [
        '--run_dir=elsewhere',
        '--journal.save_every=7',
        '--fabric.threads=3',
        '--data.root=/elsewhere',
        '--data.workers=2',
        '--data.cache=/fast',
    ],
)
def test_where_and_how_a_run_is_computed_does_not_make_it_another(word: str) -> None:
    assert config_digest(config_with(word)) == config_digest(config_with())
    require_same_config(config_with(word), plain(config_with()))


@pytest.mark.parametrize(
    ('word', 'field'),
    [
        ('--steps=99', 'steps'),
        ('--data.labels=3', 'data.labels'),
        ('--fabric.accumulate=2', 'accumulate'),
        ('--loss.depth=3', 'loss.depth'),
    ],
)
def test_what_decides_what_is_learnt_does(word: str, field: str) -> None:
    assert config_digest(config_with(word)) != config_digest(config_with())
    with pytest.raises(RunStateError, match=rf'another config \({field}\)'):
        require_same_config(config_with(word), plain(config_with()))


def test_the_same_batch_over_more_devices_is_the_same_run_and_a_greater_batch_is_not() -> None:
    one = config_with('--data.labelled_batch=4', '--data.unlabelled_batch=2')
    two = replace(
        one,
        data=replace(one.data, labelled_batch=2, unlabelled_batch=1),
        fabric=replace(one.fabric, devices=2),
    )
    assert config_digest(two) == config_digest(one)
    greater = replace(two, data=one.data)
    assert config_digest(greater) != config_digest(one)


def test_a_field_that_came_after_the_run_began_counts_as_its_default() -> None:
    config = config_with()
    before = plain(config)
    del before['data']['fit'], before['teacher']
    require_same_config(replace(config, teacher=TrainingConfig('').teacher), before)
    changed = replace(config, data=replace(config.data, fit='stretch'))
    with pytest.raises(RunStateError, match=r'another config \(data.fit'):
        require_same_config(changed, before)
