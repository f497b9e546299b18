from __future__ import annotations

import re
import shlex
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_type_hints

import pytest

from sds_training.command_line import layered, read_config
from sds_training.config import TrainingConfig
from sds_training.data import prepare

FILES = sorted(Path('config/training').glob('*.yaml'))
RUNS = [file for file in FILES if 'Not a run of its own' not in file.read_text()]


@pytest.mark.parametrize('file', RUNS, ids=lambda file: file.stem)
def test_every_training_file_opens_with_its_command_and_what_to_expect(file: Path) -> None:
    head = file.read_text().split('\n\n')[0]
    assert f'sds-train config/training/{file.name}' in head
    assert 'xpected' in head


@pytest.mark.parametrize('file', RUNS, ids=lambda file: file.stem)
def test_every_training_file_is_a_config_and_names_the_cache_that_it_reads(file: Path) -> None:
    config = read_config([str(file), '--data.root=somewhere'])
    assert config.run_dir.startswith('runs/')
    data = config.data
    command = re.search(r'^#   sds-prepare (.+)$', file.read_text(), re.MULTILINE)
    assert bool(command) == data.use_cache
    if command:
        made = prepare._parser().parse_args(shlex.split(command[1]))
        assert (made.size, made.fit) == (data.size, data.fit)
        assert made.neighbour_gap == data.neighbour_gap
        assert made.extra_unlabelled == data.extra_unlabelled


def test_a_field_is_overridden_by_its_dotted_name() -> None:
    config = read_config(['config/training/smoke.yaml', '--optimiser.rate', '0.25'])
    assert config.optimiser.rate == 0.25


def test_no_reading_leaves_anything_behind_for_the_next() -> None:
    file, words = 'config/training/smoke.yaml', ['--optimiser.rate=0.25', '--data.crop=[64, 32]']
    plain, changed = read_config([file]), read_config([file, *words])
    with pytest.raises(SystemExit):
        read_config([file, *words, '--optimiser.rtae=1'])
    assert read_config([file]) == plain != changed == read_config([file, *words])


def test_a_file_lies_on_top_of_its_base(tmp_path: Path) -> None:
    (tmp_path / 'base.yaml').write_text('run_dir: a\ndata: {root: r, labels: 3}\n')
    (tmp_path / 'top.yaml').write_text('base: base.yaml\ndata: {labels: 5}\n')
    assert layered(tmp_path / 'top.yaml') == {'run_dir': 'a', 'data': {'root': 'r', 'labels': 5}}


def test_null_takes_back_a_group_of_the_base(tmp_path: Path) -> None:
    """Another encoder has other options, and would refuse those of the base."""
    (tmp_path / 'base.yaml').write_text(
        'run_dir: a\nnetwork: {name: tiny, changes: {merge: concat, encoder_options: {a: 1}}}\n'
    )
    (tmp_path / 'top.yaml').write_text(
        'base: base.yaml\nnetwork: {changes: {encoder: resnet18, encoder_options: null}}\n'
    )
    config = read_config([str(tmp_path / 'top.yaml')])
    assert config.network.changes == {'merge': 'concat', 'encoder': 'resnet18'}


def test_files_that_name_each_other_as_base_are_told_with_the_way_round(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / 'first.yaml', tmp_path / 'second.yaml'
    first.write_text('base: second.yaml\n')
    second.write_text('base: first.yaml\n')
    with pytest.raises(SystemExit):
        read_config([str(first)])
    assert f'lead back by base: {first} -> {second} -> {first}' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('words', 'told'),
    [
        (['--optimiser.rat', '1'], 'optimiser.rate'),
        (['--optimiser.rate', 'much'], 'optimiser.rate'),
        (['--network.name', 'huge'], "'huge'"),
        (['--data.crop', '[100,100]'], 'multiples of 32'),
        (['--data.size', '[256,100]'], 'data.size is (256, 100), wanted multiples of 32'),
        (['--journal.picture_every', '0'], 'journal.picture_every is 0, wanted 1 or more'),
        (['--seed=-1'], 'seed is -1, wanted 0 or more'),
        ([f'--seed={2**63}'], 'seed is 9223372036854775808, wanted less than 2 to the 63rd'),
        (['--streets=-3'], 'streets is -3, wanted 0 or more'),
        (['--color_aug.start_step=-5'], 'color_aug.start_step is -5, wanted 0 or more'),
        (['--teacher.start_step=-5'], 'teacher.start_step is -5, wanted 0 or more'),
        (['--fabric.devices', '0'], 'fabric.devices is 0, wanted 1 or more'),
        (['--fabric.accumulate', '0'], 'fabric.accumulate is 0, wanted 1 or more'),
        (['--fabric.accelerator', 'gpu'], 'Got value: gpu'),
        (['--optimiser.max_gradient_norm', '0'], 'max_gradient_norm is 0.0, wanted more than 0'),
        (['--optimiser.rate', '-1'], 'optimiser.rate is -1.0, wanted 0 or more'),
        (['--optimiser.weight_decay', '-1'], 'optimiser.weight_decay is -1.0, wanted 0 or'),
        (['--teacher.threshold', '2'], 'teacher.threshold is 2.0, wanted [0, 1]'),
        (['--teacher.decay', '1'], 'teacher.decay is 1.0, wanted [0, 1)'),
        (['--loss.supervised', '-1'], 'loss.supervised is -1.0, wanted 0 or more'),
        (['--journal.evaluate_frames', '-1'], 'journal.evaluate_frames is -1, wanted 0 or'),
        (['--optimiser.schedule.kind', 'linear'], "'constant', 'drop', 'poly'"),
        (['--color_aug.groups', 'sky'], "'movable', 'ground'"),
        (['--optimiser.schedule.drop_factor', '-3'], 'drop_factor is -3.0'),
        (['--color_aug.probability', '7'], 'color_aug.probability is 7.0, wanted [0, 1]'),
        (['--stage', 'depth', '--loss.road', '1'], 'loss.road is 1.0, wanted 0 where stage'),
        (['--loss.depth', '0'], 'loss.speed is 0.05, wanted 0 where loss.depth is 0'),
        (
            ['--pose.odometry=true', '--pose.align=true'],
            "loss.speed is 0.05, wanted 0 where pose.odometry and pose.align take the vehicle's",
        ),
        (['--data.labelled_batch=0'], 'loss.supervised is 1.0, wanted 0 where data.labelled_b'),
        (
            ['--data.labelled_batch=0', '--loss.supervised=0', '--loss.jaccard=1'],
            'loss.jaccard is 1.0, wanted 0 where data.labelled_batch is 0',
        ),
        (
            ['--data.unlabelled_batch=0', '--teacher.debias=1'],
            'teacher.debias is 1.0, wanted 0 where no teacher looks at the pool: data.unlabel',
        ),
        (
            ['--loss.consistency=0', '--teacher.debias=1'],
            'teacher.debias is 1.0, wanted 0 where no teacher looks at the pool: loss.consist',
        ),
        (
            ['--data.labelled_batch=0', '--mix.givers=labelled', '--loss.supervised=0'],
            "mix.givers is 'labelled', wanted 'pool' where data.labelled_batch is 0",
        ),
        (['--strong.blur_probability=7'], 'strong.blur_probability is 7.0, wanted [0, 1]'),
        (['--color_aug.dilation_px=-1'], 'color_aug.dilation_px is -1, wanted 0 or more'),
        (
            ['--data.unlabelled_batch=0', '--release_debias=1'],
            'release_debias is 1.0, wanted 0 where no teacher looks at the pool: data.unlabel',
        ),
        (
            ['--release_debias=1', '--teacher.start_step=20'],
            'no teacher looks at the pool: teacher.start_step is 20 of 20 steps',
        ),
        (
            ['--network.changes', '{"exchange": "pad"}', '--loss.orthogonality', '1'],
            "wanted 0 where the network has no CCAM (its exchange is 'pad'",
        ),
    ],
)
def test_a_wrong_word_is_refused_in_one_line(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        read_config(['config/training/smoke.yaml', *words])
    said = capsys.readouterr().err
    assert exit_.value.code == 2
    assert said.startswith('sds-train: ') and said.count('\n') == 1
    assert told in said


def test_a_run_in_which_nothing_would_move_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    still = [f'--optimiser.{name}=0' for name in ('rate', 'encoder_rate', 'pose_rate')]
    with pytest.raises(SystemExit):
        read_config(['config/training/smoke.yaml', *still])
    assert 'rate, encoder_rate, pose_rate are all 0' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('content', 'told'),
    [
        (b'data: [1, 2]', '{file}: data is [1, 2], wanted a map of fields'),
        (b'loss: null', '{file}: loss is None, wanted a map of fields'),
        (b'optimiser: {schedule: 3}', '{file}: optimiser.schedule is 3, wanted a map of fields'),
        (b'steps: null', 'steps is null, wanted a value'),
        (b'network: {changes: null}', 'network.changes is null, wanted a value'),
        (b'base: [a]', "{file}: base is ['a'], wanted the path of a file"),
        (b'\x89PNG', '{file} is no text'),
        (b'teacher: {treshold: 0.9}', "did you mean 'teacher.threshold'"),
        (b'stepz: 4', "did you mean 'steps'"),
        (b'network: {changes: {encodr: x}}', "did you mean 'network.changes.encoder'"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_in_one_line(
    content: bytes, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / 'wrong.yaml'
    file.write_bytes(content + b'\nrun_dir: a\n')
    with pytest.raises(SystemExit) as exit_:
        read_config([str(file)])
    said = capsys.readouterr().err
    assert exit_.value.code == 2 and said.count('\n') == 1
    assert told.format(file=f'training file {file}') in said


def test_a_missing_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_config(['nowhere.yaml'])
    assert 'nowhere.yaml does not exist' in capsys.readouterr().err


def unread_fields(code: list[str], config: type = TrainingConfig, group: str = '') -> list[str]:
    """Fields that no file reads of those which know their group, by its name or its class."""
    knows = re.compile(rf'\.{group}\b|\b{config.__name__}\b' if group else config.__name__)
    near = '\n'.join(each for each in code if knows.search(each))
    unread, hints = [], get_type_hints(config)
    for each in fields(config):
        if is_dataclass(hints[each.name]):
            unread += unread_fields(code, hints[each.name], each.name)
        if not re.search(rf'\.{each.name}\b', near):
            unread.append(f'{group}.{each.name}')
    return unread


def test_every_field_is_read_somewhere() -> None:
    code = [each.read_text() for each in Path('sds_training').rglob('*.py')]
    assert not unread_fields(code)


def test_a_field_that_only_shares_its_name_with_one_that_is_read_is_found() -> None:
    code = [each.read_text() for each in Path('sds_training').rglob('*.py')]
    deaf = [re.sub(r'(config|optimiser)\.(rate|kind)\b', r'\1', each) for each in code]
    assert unread_fields(deaf) == ['optimiser.kind', 'optimiser.rate']


def test_a_command_without_a_word_is_told_what_to_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match='2'):
        read_config([])
    assert 'no training file is named; wanted sds-train CONFIG.yaml' in capsys.readouterr().err
