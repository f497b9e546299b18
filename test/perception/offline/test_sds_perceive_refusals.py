"""What the tool refuses, and how it says so."""

from __future__ import annotations

import re

import pytest

from sds_perception.offline.cli import main
from sds_perception.offline.command import scale_named
from sds_perception.offline.frames import OfflineError

TINY = ['--untrained', 'tiny', '--input-size', '32x64', '--device', 'cpu']


def test_a_bad_picture_is_named_and_the_others_are_done(folder, tmp_path, capsys) -> None:
    (folder / 'zzz.png').write_bytes(b'no picture')
    assert main([str(folder), '--output', str(tmp_path / 'seen'), *TINY]) == 0
    assert 'skipped zzz.png' in capsys.readouterr().out
    assert len(list((tmp_path / 'seen' / 'labels').iterdir())) == 5


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (['missing'], 'does not exist'),
        (['text.txt'], 'no picture, no bag and no video'),
        (['empty'], 'holds no picture'),
        (['bad.png'], 'no frame of .* could be used'),
        (['good', '--scale', 'guess'], 'wanted release, height'),
        (['good', '--camera', 'text.txt'], "neither 'intrinsic' nor 'camera_matrix'"),
        (['good', '--topic', '/image'], 'for bags'),
        (['good', '--output', 'good'], 'not an empty folder'),
        (['good', '--device', 'tpu'], 'device'),
        (['good', '--hood-mask', 'text.txt'], 'hood mask text.txt is not a picture'),
    ],
)
def test_what_cannot_work_is_refused_in_one_sentence(
    arguments, sentence, folder, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    folder.rename(tmp_path / 'good')
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'text.txt').write_text('{}')
    (tmp_path / 'bad.png').write_bytes(b'no picture')
    assert main(['--output', 'seen', *TINY, *arguments]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith('sds-perceive: ')
    assert re.search(sentence, said)


def test_a_release_that_is_none_is_refused(folder, tmp_path, capsys) -> None:
    (tmp_path / 'foreign').write_bytes(b'x' * 100)
    arguments = ['--output', str(tmp_path / 'seen'), '--release', str(tmp_path / 'foreign')]
    assert main([str(folder), *arguments]) == 2
    assert 'not a safetensors file' in capsys.readouterr().err
    assert not (tmp_path / 'seen').exists()


@pytest.mark.parametrize('text', ['height:0', 'height:', 'fixed:-1', 'release:2', 'none:1', ''])
def test_scales_that_make_no_sense_are_refused(text) -> None:
    with pytest.raises(OfflineError, match='--scale'):
        scale_named(text)
