from __future__ import annotations

import threading
import time

import pytest

from sds_perception.ros.scheduler import RateCap, Scheduler


def test_the_newest_frame_wins_and_the_caller_learns_what_it_replaced() -> None:
    scheduler: Scheduler[int] = Scheduler(['front'])
    assert [scheduler.offer('front', n) for n in range(3)] == [False, True, True]
    assert scheduler.take() == [('front', 2)]
    assert scheduler.take(timeout_s=0.01) == []


def test_frames_of_several_cameras_go_together_and_the_oldest_first() -> None:
    scheduler: Scheduler[int] = Scheduler(['left', 'right'], lambda: 1.0)
    scheduler.offer('right', 1)
    scheduler.offer('left', 2)
    assert scheduler.take() == [('right', 1), ('left', 2)]


def test_a_camera_that_is_due_is_waited_for_until_the_deadline() -> None:
    scheduler: Scheduler[int] = Scheduler(['left', 'right'], lambda: 2.0)
    scheduler.offer('right', 0)
    scheduler.offer('left', 0)
    scheduler.take()
    scheduler.offer('left', 1)
    threading.Timer(0.05, scheduler.offer, ('right', 1)).start()
    began = time.monotonic()
    assert len(scheduler.take()) == 2
    assert time.monotonic() - began < 1.0


def test_the_deadline_ends_the_waiting_for_a_camera_that_missed_it() -> None:
    scheduler: Scheduler[int] = Scheduler(['left', 'right'], lambda: 0.05)
    scheduler.offer('right', 0)
    scheduler.take()
    scheduler.offer('left', 1)
    began = time.monotonic()
    assert scheduler.take() == [('left', 1)]
    assert time.monotonic() - began >= 0.04


def test_the_deadline_counts_from_the_frame_that_waits_longest() -> None:
    scheduler: Scheduler[int] = Scheduler(['a', 'b', 'c'], lambda: 0.8, silent_after_s=60.0)
    for name in ('a', 'b', 'c'):
        scheduler.offer(name, 0)
    scheduler.take()
    scheduler.offer('a', 1)
    time.sleep(0.6)
    scheduler.offer('b', 1)
    began = time.monotonic()
    assert [name for name, _ in scheduler.take()] == ['a', 'b']
    assert time.monotonic() - began < 0.6


def test_a_camera_that_still_sends_is_waited_for_however_long_ago_it_began() -> None:
    scheduler: Scheduler[int] = Scheduler(['left', 'right'], lambda: 2.0, silent_after_s=0.4)
    scheduler.offer('right', 0)
    time.sleep(0.5)
    scheduler.offer('right', 1)
    scheduler.take()
    scheduler.offer('left', 1)
    threading.Timer(0.05, scheduler.offer, ('right', 2)).start()
    assert scheduler.take() == [('left', 1), ('right', 2)]


def test_a_full_batch_waits_for_nobody() -> None:
    scheduler: Scheduler[int] = Scheduler(['a', 'b', 'c'], lambda: 5.0, largest_batch=2)
    for name in ('a', 'b', 'c'):
        scheduler.offer(name, 0)
    began = time.monotonic()
    assert scheduler.take() == [('a', 0), ('b', 0)]
    scheduler.offer('a', 1)
    assert scheduler.take() == [('c', 0), ('a', 1)]
    assert time.monotonic() - began < 2.5


def test_a_silent_camera_is_not_waited_for() -> None:
    scheduler: Scheduler[int] = Scheduler(['left', 'dead'], lambda: 5.0)
    scheduler.offer('left', 1)
    began = time.monotonic()
    assert scheduler.take() == [('left', 1)]
    assert time.monotonic() - began < 1.0


def test_no_camera_starves_when_a_batch_is_smaller_than_the_cameras() -> None:
    names = ['a', 'b', 'c']
    scheduler: Scheduler[int] = Scheduler(names, largest_batch=1)
    served: list[str] = []
    for turn in range(9):
        for name in names:
            scheduler.offer(name, turn)  # all cameras are always faster than we are
        served += [name for name, _ in scheduler.take()]
    assert sorted(served) == sorted(names * 3)


def test_closing_wakes_whoever_waits() -> None:
    scheduler: Scheduler[int] = Scheduler(['front'])
    threading.Timer(0.05, scheduler.close).start()
    began = time.monotonic()
    assert scheduler.take(timeout_s=60.0) == []
    assert scheduler.closed and time.monotonic() - began < 30.0


def test_closing_wakes_whoever_waits_for_the_other_cameras() -> None:
    scheduler: Scheduler[int] = Scheduler(['left', 'right'], lambda: 5.0, silent_after_s=60.0)
    scheduler.offer('left', 0)
    scheduler.offer('right', 0)
    scheduler.take()
    scheduler.offer('left', 1)
    threading.Timer(0.05, scheduler.close).start()
    began = time.monotonic()
    assert scheduler.take() == []
    assert time.monotonic() - began < 2.5


@pytest.mark.parametrize(('camera_hz', 'cap_hz'), [(30, 20), (30, 10), (10, 30), (30, 30)])
def test_the_rate_cap_holds_on_average_and_no_lower(camera_hz: int, cap_hz: int) -> None:
    cap = RateCap()
    admitted = sum(cap.admits(n / camera_hz, cap_hz) for n in range(10 * camera_hz))
    assert admitted == pytest.approx(10 * min(camera_hz, cap_hz), abs=2)


def test_a_pause_is_not_made_up_for_by_a_burst() -> None:
    cap = RateCap()
    assert cap.admits(0.0, 10.0)
    assert sum(cap.admits(100 + n / 100, 10.0) for n in range(100)) == pytest.approx(10, abs=2)


def test_a_clock_that_jumps_back_does_not_close_the_rate_cap() -> None:
    cap = RateCap()
    assert cap.admits(1000.0, 10.0)
    assert cap.admits(5.0, 10.0)


def test_without_a_cap_every_frame_passes() -> None:
    cap = RateCap()
    assert all(cap.admits(0.0, 0.0) for _ in range(5))
