"""Laws of the command: it refuses in a sentence, and stops at once and as a whole."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sds_training.streets import cli


@pytest.mark.parametrize(
    ('option', 'value', 'sentence'),
    [
        ('--snippets', '0', '--snippets must be at least 1, got 0'),
        ('--window', '-1', '--window must be at least 0, got -1'),
        ('--first', '-1', '--first must be at least 0, got -1'),
        ('--seed', '-3', '--seed must be at least 0, got -3'),
        ('--frames', '500', '--frames must be at most 170, got 500'),
        (
            '--split',
            'train=nan',
            "--split wants shares of zero or more, some above, got 'train=nan'",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, sentence: str
) -> None:
    assert cli.main([str(tmp_path / 'out'), f'{option}={value}']) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_output_that_is_a_file_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'out').write_text('mine')
    assert cli.main([str(tmp_path / 'out')]) == 2
    assert f'output {tmp_path / "out"} is a file, wanted a folder' in capsys.readouterr().err


def test_a_size_beyond_the_memory_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(order: cli.Order) -> int:
        raise MemoryError('112 GiB')

    monkeypatch.setattr(cli, 'render_order', too_large)
    assert cli.main([str(tmp_path), '--workers', '1', '--size', '512x256']) == 2
    told = '512x256 is too large for the memory (112 GiB); wanted a smaller --size or fewer'
    assert capsys.readouterr().err == f'sds-streets: {told} --workers\n'


def folders_that_differ(tmp_path: Path, option: str) -> set[str]:
    """Of two data sets with and without an option of the command."""
    words = ['--snippets=1', '--seed=5', '--size=64x32', '--window=0', '--workers=1']
    own, odd = tmp_path / 'own', tmp_path / 'odd'
    assert cli.main([str(own), *words]) == cli.main([str(odd), *words, option]) == 0
    files = sorted(each.relative_to(own) for each in own.rglob('*') if each.is_file())
    return {
        each.parts[0] for each in files if (own / each).read_bytes() != (odd / each).read_bytes()
    }


def test_any_material_changes_pictures_and_no_truth(tmp_path: Path) -> None:
    pictures = {'leftImg8bit', 'leftImg8bit_sequence'}
    assert folders_that_differ(tmp_path, '--any-material') == pictures


def test_lifelike_streets_are_driven_by_the_same_camera_on_the_same_way(tmp_path: Path) -> None:
    differ = folders_that_differ(tmp_path, '--lifelike')
    assert 'leftImg8bit' in differ
    assert differ.isdisjoint({'camera', 'vehicle', 'vehicle_sequence', 'pose'})


def test_ctrl_c_is_answered_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def second_is_stopped(order: cli.Order) -> int:
        if order.number == 1:
            signal.raise_signal(signal.SIGINT)
        return 30

    monkeypatch.setattr(cli, 'render_order', second_is_stopped)
    before = signal.getsignal(signal.SIGTERM)
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's & ignores it
    try:
        assert cli.main([str(tmp_path), '--workers', '1']) == cli.STOPPED
    finally:
        signal.signal(signal.SIGINT, ours)
    told = capsys.readouterr().err
    assert told.startswith('sds-streets: stopped after 1 of 10 snippets') and told.count('\n') == 1
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize('kill', [False, True])
def test_workers_do_not_outlive_the_command(tmp_path: Path, kill: bool) -> None:
    words = [str(tmp_path), '--snippets', '500', '--size', '32x16', '--workers', '2']
    command = subprocess.Popen(
        [sys.executable, '-m', 'sds_training.streets.cli', *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert 'snippets' in command.stdout.readline()
    asked = time.monotonic()
    command.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
    _, told = command.communicate(timeout=60)  # ends when no worker holds the pipes any more
    assert time.monotonic() - asked < 30  # of minutes
    if kill:
        return
    assert command.returncode == cli.STOPPED
    assert told.startswith('sds-streets: stopped after') and told.count('\n') == 1
