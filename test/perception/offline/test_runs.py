"""A run over a source: how it can end early, and what it does on the way."""

from __future__ import annotations

import json
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from sds_perception.metric_scale import FirstKnown, ReleaseScale
from sds_perception.network import NETWORKS
from sds_perception.offline.frames import Skipped
from sds_perception.offline.pictures import PictureFiles
from sds_perception.offline.run import Tally, perceive_all
from sds_perception.offline.sinks import FileSink
from sds_perception.perceiver import Perceiver
from sds_perception.release import untrained_release


def lines(folder: Path) -> list[dict]:
    """Of the list of frames, as far as it goes."""
    file = folder / 'frames.jsonl'
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.mark.parametrize('heard', [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_finish_the_frame_and_list_what_there_is(
    heard, folder, tmp_path
) -> None:
    class Interrupted(PictureFiles):
        def frames(self):
            for number, item in enumerate(super().frames()):
                if number == 2:
                    signal.raise_signal(heard)
                yield item

    before = signal.getsignal(heard)
    perceiver = Perceiver.from_release(untrained_release(NETWORKS['tiny'], (32, 64)))
    with FileSink(tmp_path / 'seen') as sink:
        source = Interrupted(folder, None)
        tally = perceive_all(source, perceiver, FirstKnown([ReleaseScale()]), sink)
    assert (tally.stopped, tally.done, tally.kinds) == (True, 3, {'relative': 3})
    assert tally.seconds.keys() > {'scale', 'write'}  # and those of the Perceiver
    assert signal.getsignal(heard) is before
    assert 'stopped after 3 of 5 frames' in next(tally.lines())
    for product in ('labels', 'depth_relative', 'overlay'):
        assert len(list((tmp_path / 'seen' / product).iterdir())) == 3
    assert len((tmp_path / 'seen' / 'frames.jsonl').read_text().splitlines()) == 3


def test_a_second_ctrl_c_ends_at_once(folder, tmp_path) -> None:
    class Impatient(PictureFiles):
        def frames(self):
            for item in super().frames():
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
                yield item

    before = signal.getsignal(signal.SIGINT)
    perceiver = Perceiver.from_release(untrained_release(NETWORKS['tiny'], (32, 64)))
    with FileSink(tmp_path / 'seen') as sink, pytest.raises(KeyboardInterrupt):
        perceive_all(Impatient(folder, None), perceiver, FirstKnown([]), sink)
    assert signal.getsignal(signal.SIGINT) is before
    assert not (tmp_path / 'seen').exists()


def test_frames_that_were_skipped_count_as_seen_and_only_some_are_named() -> None:
    skipped = [Skipped(str(number), 'damaged') for number in range(7)]
    told = list(Tally(expected=9, done=2, skipped=skipped).lines())
    assert told[0] == 'perceived 2 frames'
    assert told[-2:] == ['skipped 4: damaged', 'skipped 2 more']
    *_, last = Tally(expected=7, done=2, skipped=skipped[:5]).lines()
    assert last == 'skipped 4: damaged'


def test_seconds_are_told_in_milliseconds_per_frame() -> None:
    told = list(Tally(expected=2, done=2, seconds=Counter({'engine': 0.5})).lines())
    assert told[1] == 'milliseconds per frame: engine 250.0'


def test_frames_are_listed_as_they_are_written_so_that_a_power_cut_leaves_the_list(
    folder, tmp_path
) -> None:
    class Watched(PictureFiles):
        def frames(self):
            for number, item in enumerate(super().frames()):
                listed.append((number, len(lines(tmp_path / 'seen'))))
                yield item

    listed: list[tuple[int, int]] = []
    perceiver = Perceiver.from_release(untrained_release(NETWORKS['tiny'], (32, 64)))
    with FileSink(tmp_path / 'seen', pictures=False) as sink:
        perceive_all(Watched(folder, None), perceiver, FirstKnown([]), sink)
    assert listed == [(number, number) for number in range(5)]


@pytest.mark.parametrize(
    ('stamps_ms', 'resets'),
    [((1000, 100, 101), 1), ((1000, 900, 901), 0), ((1000, 700, 400), 1)],
)
def test_a_jump_back_in_time_resets_the_scale_and_a_straggler_does_not(
    frames, tmp_path, stamps_ms, resets
) -> None:
    class Remembering(FirstKnown):
        def __init__(self) -> None:
            super().__init__([])
            self.resets = 0

        def reset(self) -> None:
            self.resets += 1

    class Looped(PictureFiles):
        def frames(self):
            for name, stamp_ms in enumerate(stamps_ms):
                yield replace(frames[0], name=str(name), stamp_ns=stamp_ms * 10**6)

    (tmp_path / 'in').mkdir()
    (tmp_path / 'in' / 'a.png').write_bytes(b'')
    scale = Remembering()
    perceiver = Perceiver.from_release(untrained_release(NETWORKS['tiny'], (32, 64)))
    with FileSink(tmp_path / 'seen', pictures=False) as sink:
        perceive_all(Looped(tmp_path / 'in', None), perceiver, scale, sink)
    assert scale.resets == resets
