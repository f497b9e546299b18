"""What a run says of itself, and that a bad validation file costs neither steps nor release."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from sds_perception.engines import EngineError
from sds_perception.labels import SKY
from sds_perception.perceiver import Perceiver
from sds_perception.release import read_release
from sds_training import learner, scoring
from sds_training import train as module
from sds_training.config import TrainingConfig
from sds_training.evaluate import evaluate
from sds_training.metrics import FOLDS
from sds_training.run.interruption import Interrupted
from sds_training.run.run_state import RunStateError, newest_readable
from sds_training.scoring import PROTOCOL, frames_to_score, headline
from sds_training.train import train

Make = Callable[..., TrainingConfig]
OFTEN = ('--journal.evaluate_every=3', '--journal.save_every=3')


@pytest.fixture
def root(drive: Path, tmp_path: Path) -> Path:
    """A copy of the drive to spoil."""
    return Path(shutil.copytree(drive, tmp_path / 'drive'))


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:100])


def of_another_size(file: Path) -> None:
    cv2.imwrite(str(file), np.full((8, 8), 7, np.uint8))


@pytest.mark.parametrize(
    ('folder', 'spoil'), [('leftImg8bit', cut_short), ('gtFine', of_another_size)]
)
def test_a_bad_validation_file_costs_neither_steps_nor_release(
    tiny_run: Make, root: Path, caplog: pytest.LogCaptureFixture, folder: str, spoil: Callable
) -> None:
    config = tiny_run(f'--data.root={root}', *OFTEN)
    file = next((root / folder / 'val').rglob('*.png'))
    whole = file.read_bytes()
    spoil(file)
    with caplog.at_level(logging.WARNING):
        release = train(config)
    assert newest_readable(config.run_dir)['step'] == 4
    assert read_release(release).provenance['scores'] == {}
    for step, said in zip((3, 4), caplog.messages, strict=True):
        assert said.startswith(f'not scored after step {step}: {file} ')
    scores = Path(config.run_dir, 'scores.json')
    assert not scores.exists()  # nobody takes the run for one that was scored
    file.write_bytes(whole)
    train(config)
    assert 0 <= json.loads(scores.read_text())['mean_iou'] <= 1


def test_scores_of_before_do_not_outlive_a_validation_file_that_went_bad(
    finished_run: TrainingConfig, tiny_run: Make, root: Path
) -> None:
    scores = Path(finished_run.run_dir, 'scores.json')
    assert scores.exists()
    cut_short(next((root / 'leftImg8bit/val').rglob('*.png')))
    train(tiny_run(f'--data.root={root}'))
    assert not scores.exists()


def test_a_disk_that_is_full_leaves_no_scores_half_written(
    finished_run: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(RunStateError, match='No space left on device'):
        train(finished_run)
    assert not Path(finished_run.run_dir, 'scores.json').exists()


def test_few_frames_to_score_are_spread_over_all(tiny_run: Make, root: Path) -> None:
    for path in [*root.glob('*/val/ulm/*_000019_*')]:
        for number in range(4, 7):
            shutil.copy(path, str(path).replace('000003_', f'{number:06d}_'))
    frames, few = (
        [each.name for each in frames_to_score(tiny_run(f'--data.root={root}', *words))]
        for words in ((), ('--journal.evaluate_frames=2',))
    )
    assert len(frames) == 4 and few == frames[::2]


def test_depth_as_predicted_is_not_taken_for_the_median_scaled(
    finished_run: TrainingConfig, root: Path
) -> None:
    truth = root / 'depth/val/ulm/ulm_000003_000019_depth.npy'
    truth.parent.mkdir(parents=True)
    np.save(truth, np.full((64, 96), 3.0, np.float32))
    data = replace(finished_run.data, root=str(root))
    frames = frames_to_score(replace(finished_run, data=data))
    perceiver = Perceiver.from_release(Path(finished_run.run_dir, 'release.safetensors'))
    scores = evaluate(perceiver, frames, fold=FOLDS['none'], protocol=PROTOCOL)
    told = headline(scores)
    assert told['abs_rel'] == scores.depth['abs_rel'] != scores.depth_median_scaled['abs_rel']
    assert told['abs_rel_scaled'] == scores.depth_median_scaled['abs_rel']


def test_an_engine_that_cannot_be_built_costs_neither_steps_nor_release(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*graph: object, **choice: object) -> None:
        raise EngineError('the graph could not be recorded: out of memory')

    monkeypatch.setattr('sds_perception.perceiver.build_checked_engine', full)
    release = train(tiny_run(*OFTEN))
    assert read_release(release).provenance['scores'] == {}
    assert 'not scored after step 4: the graph could not be recorded' in caplog.text


def test_a_state_is_saved_before_it_is_scored(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise MemoryError('too many validation frames')

    config = tiny_run(*OFTEN)
    monkeypatch.setattr(module, 'scored', killed)
    with pytest.raises(MemoryError):
        train(config)
    assert newest_readable(config.run_dir)['step'] == 3


def test_who_asks_to_stop_does_not_wait_for_the_rest_of_the_frames(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seen = []

    def look(perceiver: Perceiver, *arguments: object) -> object:
        seen.append(signal.raise_signal(signal.SIGTERM))
        return call(perceiver, *arguments)

    call, config = Perceiver.__call__, tiny_run(*OFTEN)
    monkeypatch.setattr(Perceiver, '__call__', look)
    monkeypatch.setattr(scoring, 'frames_to_score', lambda _: 5 * frames_to_score(config))
    with caplog.at_level(logging.WARNING), pytest.raises(Interrupted, match='after step 3'):
        train(config)
    assert len(seen) == 1
    assert caplog.messages == ['not scored after step 3: asked to stop']


def test_a_run_on_data_of_fewer_classes_scores_as_its_release_is_scored(tiny_run: Make) -> None:
    config = tiny_run('--journal.evaluate_fold=camvid')
    perceiver = Perceiver.from_release(train(config), device='cpu', detail='fine')
    folded = evaluate(perceiver, frames_to_score(config), fold=FOLDS['camvid'], protocol=PROTOCOL)
    scores = json.loads(Path(config.run_dir, 'scores.json').read_text())
    assert scores['fold'] == 'camvid'
    assert scores['mean_iou'] == pytest.approx(folded.mean_iou)


def test_a_runs_scores_say_how_they_were_taken(finished_run: TrainingConfig) -> None:
    run_dir = Path(finished_run.run_dir)
    released = read_release(run_dir / 'release.safetensors').provenance['scores']
    written = json.loads((run_dir / 'scores.json').read_text())
    assert written == released and written['detail'] == 'fine' and written['frames'] == 1
    assert written['depth_protocol'].startswith('full: rows 0 to 1 of the height')


def test_semantics_that_nobody_taught_neither_hide_depth_nor_are_scored(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = learner.build_network

    def fond_of_sky(*words: object, **more: object) -> object:
        network = build(*words, **more)
        network.semantic_head.score.bias.data[SKY] = 100.0
        return network

    monkeypatch.setattr(learner, 'build_network', fond_of_sky)
    config = tiny_run('--stage=depth', '--steps=2', '--journal.evaluate_every=1')
    release = read_release(train(config))
    rgb = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    assert np.isfinite(Perceiver.from_release(release)(rgb).depth).all()
    lines = Path(config.run_dir, 'journal.jsonl').read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert all('mean_iou' not in each for each in (*records, release.provenance['scores']))
    assert [each['step'] for each in records if each['kind'] == 'evaluate'] == [1]
