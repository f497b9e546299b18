from __future__ import annotations

import errno
import json
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sds_training.config import TrainingConfig
from sds_training.run import journal as module
from sds_training.run.journal import Journal, Lap
from sds_training.run.run_state import RunStateError
from sds_training.train import train


@pytest.mark.parametrize('terminal', [False, True])
def test_people_are_told_on_stderr_alone(
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    terminal: bool,
) -> None:
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: terminal)
    journal = Journal(tmp_path, 0, 4)
    journal.record(2, 'evaluate', {'mean_iou': 0.25})
    journal.close()
    told = capsys.readouterr()
    assert 'mean_iou 0.25' in told.err and not told.out


def test_a_part_of_a_run_goes_on_from_its_first_step_and_drops_what_is_later_or_cut(
    tmp_path: Path,
) -> None:
    lines = [json.dumps({'step': step, 'kind': 'train'}) for step in (1, 2, 3)]
    (tmp_path / 'journal.jsonl').write_text('\n'.join(lines) + '\n{"step": 2, "ki')
    journal = Journal(tmp_path, 2, 4)
    journal.record(3, 'train', {'loss': 0.5})
    journal.close()
    records = [json.loads(line) for line in (tmp_path / 'journal.jsonl').read_text().splitlines()]
    assert [each['step'] for each in records] == [1, 2, 3] and records[-1]['loss'] == 0.5


def test_the_bar_of_a_run_that_goes_on_begins_where_the_run_is(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    journal = Journal(tmp_path, 100, 400)
    journal.moved_on()
    journal.close()
    told = capsys.readouterr().err
    assert '100/400' in told and '101/400' in told


def test_tensorboard_shows_each_step_once_though_a_part_began_again(tmp_path: Path) -> None:
    for first, steps in ((0, (1, 2, 3)), (2, (3, 4))):
        journal = Journal(tmp_path, first, 4)
        for step in steps:
            journal.record(step, 'train', {'loss': first + step})
        journal.close()
        written = max(
            (tmp_path / 'tensorboard').iterdir(), key=lambda each: each.stat().st_mtime_ns
        )
        written.rename(written.with_name(f'events.out.tfevents.{first}'))  # in order of their time
    board = EventAccumulator(str(tmp_path / 'tensorboard')).Reload()
    shown = [(each.step, each.value) for each in board.Scalars('train/loss')]
    assert shown == [(1, 1.0), (2, 2.0), (3, 5.0), (4, 6.0)]


def test_what_is_recorded_is_in_the_file_at_once_and_no_time_is_told_of_no_step(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: False)
    journal = Journal(tmp_path, 2, 4)
    journal.record(2, 'evaluate', {'mean_iou': 0.25})
    (line,) = (tmp_path / 'journal.jsonl').read_text().splitlines()
    journal.close()
    assert json.loads(line) == {'step': 2, 'kind': 'evaluate', 'mean_iou': 0.25}
    assert capsys.readouterr().err.strip() == 'evaluate 2/4  mean_iou 0.25'


def test_a_lap_tells_the_seconds_of_a_step_and_the_share_that_was_waited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = iter((0.0, 1.0, 2.0, 5.0, 6.0, 8.0, 8.0))  # begun, two waits, finished, begun again
    monkeypatch.setattr(module.time, 'perf_counter', lambda: next(seconds))
    lap = Lap()
    for _ in range(2):
        with lap.waiting():
            pass
        lap.add({'total': torch.tensor(1.0)})
    assert lap.finish() == {'total': 1.0, 's_per_step': 4.0, 'loader_share': 0.25}


def test_the_time_that_is_left_is_told_by_the_steps_of_this_part(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: False)
    journal = Journal(tmp_path, 100, 200)
    begun_s = module.time.monotonic()
    monkeypatch.setattr(module.time, 'monotonic', lambda: begun_s + 600.0)
    journal.record(110, 'train', {'loss': 0.5})
    journal.close()
    assert '60.0' in (told := capsys.readouterr().err) and '90 min left' in told


def test_a_picture_is_kept_in_its_colours(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    journal = Journal(tmp_path, 0, 4)
    journal.picture(3, 'street', rgb)
    journal.close()
    kept = cv2.imread(str(tmp_path / 'pictures/street_00000003.png'))
    np.testing.assert_array_equal(kept[..., ::-1], rgb)


def test_a_skipped_step_hides_no_other_and_a_lap_tells_nothing_of_the_one_before() -> None:
    lap = Lap()
    for value in (1.0, float('nan'), 3.0):
        lap.add({'depth': torch.tensor(value)})
    assert lap.finish()['depth'] == 2.0
    lap.add({'speed': torch.tensor(5.0)})
    told = lap.finish()
    assert told['speed'] == 5.0 and 'depth' not in told


def test_a_disk_that_is_full_for_the_journal_is_told_in_a_sentence(
    tiny_run: Callable[..., TrainingConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, 'No space left on device')

    config = tiny_run('--journal.picture_every=1')
    monkeypatch.setattr(Path, 'write_bytes', fill)
    with pytest.raises(RunStateError, match='cannot be written any more.*No space left'):
        train(config)
