from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sds_training.bench import main
from sds_training.data.loading import StepBatches
from sds_training.learner import Learner


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


@pytest.mark.parametrize('stage', ['joint', 'depth'])
def test_a_step_of_either_stage_is_measured_with_all_its_batches(
    tiny_run: Callable,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
) -> None:
    tiny_run()
    advance, sizes = Learner.advance, set()

    def counted(learner: Learner, batches: Any) -> Any:
        sizes.add(len(batches))
        return advance(learner, batches)

    monkeypatch.setattr(Learner, 'advance', counted)
    read = StepBatches.__getitem__
    words = ['--rounds=1', f'--stage={stage}', '--fabric.accumulate=2']
    assert main([str(tmp_path / 'tiny.yaml'), *words]) == 0
    told = json.loads(capsys.readouterr().out)
    assert sizes == {2} and told['s_per_step'] > 0 and told['share of loader'] > 0
    assert StepBatches.__getitem__ is read  # what was timed is as it was
    assert ('share of depth with backward' in told) == (stage == 'joint')
