from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sds_training.bench import main


@pytest.mark.parametrize(
    ('words', 'told'),
    [
        (['--data.root=/nowhere'], "no pictures of the split 'train' in /nowhere"),
        (['--fabric.accelerator=cuda', '--fabric.devices=99'], 'torch sees'),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(
    tiny_run: Callable, tmp_path: Path, capsys: pytest.CaptureFixture, words: list[str], told: str
) -> None:
    tiny_run()
    assert main([str(tmp_path / 'tiny.yaml'), '--rounds=1', *words]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith('bench: ') and told in said
