from __future__ import annotations

from pathlib import Path

import pytest

from sds_training.command_line import field_names, layered, read_config
from sds_training.config import TrainingConfig

FILES = sorted(Path('config/training').glob('*.yaml'))
RUNS = [file for file in FILES if 'Not a run of its own' not in file.read_text()]


@pytest.mark.parametrize('file', RUNS, ids=lambda file: file.stem)
def test_every_training_file_is_a_strict_config(file: Path) -> None:
    config = read_config([str(file), '--data.root=somewhere'])
    assert config.run_dir.startswith('runs/')


@pytest.mark.parametrize('file', RUNS, ids=lambda file: file.stem)
def test_every_training_file_opens_with_its_command_and_what_to_expect(file: Path) -> None:
    head = file.read_text().split('\n\n')[0]
    assert f'sds-train config/training/{file.name}' in head
    assert 'xpected' in head


def test_a_field_is_overridden_by_its_dotted_name() -> None:
    config = read_config(['config/training/smoke.yaml', '--optimiser.rate', '0.25'])
    assert config.optimiser.rate == 0.25


def test_a_file_lies_on_top_of_its_base(tmp_path: Path) -> None:
    (tmp_path / 'base.yaml').write_text('run_dir: a\ndata: {root: r, labels: 3}\n')
    (tmp_path / 'top.yaml').write_text('base: base.yaml\ndata: {labels: 5}\n')
    assert layered(tmp_path / 'top.yaml') == {'run_dir': 'a', 'data': {'root': 'r', 'labels': 5}}


@pytest.mark.parametrize(
    ('words', 'told'),
    [
        (['--optimiser.rat', '1'], 'optimiser.rate'),
        (['--optimiser.rate', 'much'], 'optimiser.rate'),
        (['--network.name', 'huge'], "'huge'"),
        (['--data.crop', '[100,100]'], 'multiples of 32'),
        (['--journal.picture_every', '0'], 'journal.picture_every is 0, wanted 1 or more'),
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


def test_an_unknown_key_in_a_file_gets_a_suggestion(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / 'typo.yaml'
    file.write_text('run_dir: a\nteacher: {treshold: 0.9}\n')
    with pytest.raises(SystemExit):
        read_config([str(file)])
    assert "did you mean 'teacher.threshold'" in capsys.readouterr().err


def test_a_missing_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_config(['nowhere.yaml'])
    assert 'nowhere.yaml does not exist' in capsys.readouterr().err


def test_every_field_is_read_somewhere() -> None:
    code = '\n'.join(each.read_text() for each in Path('sds_training').rglob('*.py'))
    unread = [
        name for name in field_names(TrainingConfig) if f'.{name.split(".")[-1]}' not in code
    ]
    assert not unread
