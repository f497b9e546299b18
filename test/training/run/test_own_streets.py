"""Laws of the streets that a run renders for itself: whole, and where its data root leads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sds_training.config import TrainingConfig
from sds_training.config_error import ConfigError
from sds_training.run.interruption import Interrupted
from sds_training.run.own_streets import render_streets
from sds_training.streets import cli


def rendering(*codes: int) -> Callable[[list[str]], int]:
    """An sds-streets that makes one folder a call and ends with these codes, one by one."""
    left = list(codes)

    def streets(words: list[str]) -> int:
        split = next(w for w in words if w.startswith('--split=')).removeprefix('--split=')
        (Path(words[0]) / 'leftImg8bit' / split).mkdir(parents=True)
        return left.pop(0)

    return streets


def test_streets_are_rendered_where_a_link_leads(
    tiny_run: Callable[..., TrainingConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'large_disk').mkdir()
    (tmp_path / 'streets').symlink_to(tmp_path / 'large_disk')
    monkeypatch.setattr(cli, 'main', rendering(0, 0))
    render_streets(tiny_run(f'--data.root={tmp_path / "streets"}', '--streets=4'))
    assert (tmp_path / 'large_disk' / 'leftImg8bit' / 'val').is_dir()
    monkeypatch.setattr(Path, 'is_mount', lambda path: True)
    with pytest.raises(ConfigError, match='empty is a mount point'):
        render_streets(tiny_run(f'--data.root={tmp_path / "empty"}', '--streets=4'))


@pytest.mark.parametrize(('code', 'problem'), [(1, ConfigError), (cli.STOPPED, Interrupted)])
def test_a_half_rendered_root_is_not_taken_for_data(
    tiny_run: Callable[..., TrainingConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    code: int, problem: type[Exception],
) -> None:  # fmt: skip
    config = tiny_run(f'--data.root={tmp_path / "streets"}', '--streets=4')
    monkeypatch.setattr(cli, 'main', rendering(0, code, 0, 0))
    with pytest.raises(problem):
        render_streets(config)
    assert not (tmp_path / 'streets').exists()
    render_streets(config)
    splits = {path.name for path in (tmp_path / 'streets' / 'leftImg8bit').iterdir()}
    assert splits == {'train', 'val'}
    render_streets(config)  # what is there is not rendered again: no code is left


def test_streets_are_those_that_the_config_reads_and_no_street_is_learnt_and_scored(
    tiny_run: Callable[..., TrainingConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, str]] = []

    def streets(words: list[str]) -> int:
        Path(words[0]).mkdir(exist_ok=True)
        told.append(dict(word.removeprefix('--').split('=') for word in words[1:]))
        return 0

    monkeypatch.setattr(cli, 'main', streets)
    words = (f'--data.root={tmp_path / "streets"}', '--streets=3', '--data.neighbour_gap=2')
    render_streets(tiny_run(*words, '--seed=5'))
    shared = {'seed': '5', 'size': '96x64', 'window': '3'}
    assert told == [
        {'split': 'train', 'first': '0', 'snippets': '3', **shared},
        {'split': 'val', 'first': '3', 'snippets': '1', **shared},
    ]


def test_an_empty_folder_is_rendered_into(
    tiny_run: Callable[..., TrainingConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'streets').mkdir()
    monkeypatch.setattr(cli, 'main', rendering(0, 0))
    render_streets(tiny_run(f'--data.root={tmp_path / "streets"}', '--streets=4'))
    assert (tmp_path / 'streets/leftImg8bit/train').is_dir()
