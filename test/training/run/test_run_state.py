"""Which runs are one run and may go on in one folder, and from which of its states."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from sds_training.command_line import read_config
from sds_training.config import TrainingConfig
from sds_training.run.devices import launched
from sds_training.run.run_state import (
    DamagedStateError,
    RunStateError,
    changed_fields,
    config_digest,
    newest_readable,
    read_state,
    require_same_config,
    require_same_data,
    save_state,
    saved_states,
    writing,
)
from sds_training.train import train

Make = Callable[..., TrainingConfig]

SMOKE = 'config/training/smoke.yaml'


@cache
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
        ('--seed=9', 'seed'),
        ('--data.labels=3', 'data.labels'),
        ('--data.split_seed=9', 'data.split_seed'),
        ('--fabric.accumulate=2', 'accumulate'),
        ('--fabric.precision=bf16-mixed', 'precision'),
        ('--loss.depth=3', 'loss.depth'),
    ],
)
def test_what_decides_what_is_learnt_does(word: str, field: str) -> None:
    assert config_digest(config_with(word)) != config_digest(config_with())
    with pytest.raises(RunStateError, match=rf'another config \({field}\)'):
        require_same_config(config_with(word), plain(config_with()))


@pytest.mark.parametrize('more', [{'devices': 2}, {'num_nodes': 2}])
def test_the_same_batch_over_more_devices_is_the_same_run_and_a_greater_batch_is_not(
    more: dict[str, int],
) -> None:
    one = config_with('--data.labelled_batch=4', '--data.unlabelled_batch=2')
    two = replace(
        one,
        data=replace(one.data, labelled_batch=2, unlabelled_batch=1),
        fabric=replace(one.fabric, **more),
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


def test_a_run_whose_states_are_all_damaged_does_not_silently_start_over(
    finished_run: TrainingConfig,
) -> None:
    for path in saved_states(finished_run.run_dir):
        path.write_bytes(path.read_bytes()[:1000])
    told = r'damaged \(step_00000003.pt, step_00000004.pt\); delete them to start over, or choose'
    with pytest.raises(RunStateError, match=told):
        train(finished_run)


def test_a_state_that_may_not_be_opened_is_not_passed_over_for_an_older_one(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_run('--steps=2')
    train(config)

    def forbidden(*_: Any, **__: Any) -> None:
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(torch, 'load', forbidden)
    with pytest.raises(RunStateError, match=r'00002.pt cannot be opened \(.*Permission denied'):
        newest_readable(config.run_dir)


def test_a_damaged_state_of_a_later_step_does_not_push_out_the_one_just_written(
    tiny_run: Make,
) -> None:
    train(tiny_run('--journal.save_every=3'))
    config = tiny_run('--journal.save_every=1')
    last = saved_states(config.run_dir)[-1]
    for step in (98, 99):
        last.with_name(f'step_{step:08d}.pt').write_bytes(last.read_bytes()[:1000])
    last.unlink()
    train(config)
    assert newest_readable(config.run_dir)['step'] == 4


def test_a_damaged_state_of_a_later_step_takes_the_place_of_no_earlier_one(
    tiny_run: Make,
) -> None:
    config = tiny_run()
    damaged = Path(config.run_dir, 'states', 'step_00000099.pt')
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b'no state')
    for step in (1, 2, 3):
        save_state(launched(config), config, {'step': step}, {})
    assert [each.stem[-2:] for each in saved_states(config.run_dir)] == ['02', '03', '99']


def test_a_file_that_is_not_there_is_not_told_as_a_full_disk() -> None:
    with pytest.raises(FileNotFoundError), writing(Path('run')):
        raise FileNotFoundError(errno.ENOENT, 'No such file')


@pytest.mark.parametrize('fault', [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_a_disk_that_takes_no_more_is_told_in_a_sentence(fault: int) -> None:
    with (
        pytest.raises(RunStateError, match='run cannot be written any more'),
        writing(Path('run')),
    ):
        raise OSError(fault, 'out of order')


@pytest.mark.parametrize('content', [{'weights': torch.zeros(1)}, torch.zeros(1)])
def test_a_torch_file_of_something_else_is_no_state(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / 'state.pt')
    with pytest.raises(DamagedStateError, match='is a torch file but no state of a run'):
        read_state(tmp_path / 'state.pt')


@pytest.mark.parametrize('changed', ['data', 'camera'])
def test_a_run_goes_on_with_other_code_and_not_with_other_data_or_another_camera(
    changed: str,
) -> None:
    passport = {'data': {'pool': 3}, 'camera': {'fx': 90.0}, 'commit': 'one'}
    require_same_data('run', passport, {**passport, 'commit': 'two'})
    with pytest.raises(RunStateError, match=rf'began on other data \({changed}.* changed since'):
        require_same_data('run', passport, {**passport, changed: {'fx': 91.0, 'pool': 4}})


def test_a_field_that_only_one_of_two_has_has_changed() -> None:
    assert changed_fields({'data': {'pool': 3}}, {'data': {'pool': 3, 'seed': 0}}) == ['data.seed']


def test_what_a_killed_process_left_half_written_goes_with_the_next_state(tiny_run: Make) -> None:
    config = tiny_run()
    left = Path(config.run_dir, 'states', 'tmp1x2y.partial')
    left.parent.mkdir(parents=True)
    left.write_bytes(b'half a state')
    save_state(launched(config), config, {'step': 1}, {})
    assert [each.name for each in left.parent.iterdir()] == ['step_00000001.pt']


def test_where_no_state_can_be_written_the_run_says_so(tiny_run: Make) -> None:
    config = tiny_run('--steps=1')
    Path(config.run_dir).mkdir()
    Path(config.run_dir, 'states').write_text('no folder')
    with pytest.raises(RunStateError, match=r'state .*1.pt could not be written \(.*File exists'):
        train(config)
