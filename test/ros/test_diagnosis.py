"""From what was counted and seen around a camera to the sentence for its operator."""

from __future__ import annotations

import time

import pytest

from sds_perception.ros.diagnosis import diagnose, wrong_time
from sds_perception.ros.health import CameraHealth, Fate, Level, Surroundings


def listening(since_s: float = 10.0, **around: object) -> CameraHealth:
    """A camera the node has listened to for so long."""
    surroundings = Surroundings(topic='/image', **{'publishers': 1, **around})
    return CameraHealth('front', around=surroundings, opened_s=time.monotonic() - since_s)


@pytest.mark.parametrize(
    ('around', 'sentence'),
    [
        ({'publishers': 0}, 'no publisher on /image'),
        ({'publishers': 1, 'foreign_type': 'wanted Image'}, 'wanted Image'),
        ({'publishers': 1, 'incompatible_qos': 'RELIABILITY'}, 'incompatible QoS'),
        ({'publishers': 1, 'clock_stopped': True}, 'no /clock'),
        ({'publishers': 1}, 'DDS drops fragments'),
    ],
)
def test_silence_has_a_named_cause(around: dict[str, object], sentence: str) -> None:
    level, said = diagnose(listening(**around))
    assert level is Level.ERROR
    assert sentence in said


def test_frames_in_and_out_are_well_however_often_one_looks() -> None:
    health = listening()
    health.arrived()
    health.processed({'total': 0.01})
    assert [diagnose(health)[0] for _ in range(5)] == [Level.OK] * 5


def test_a_camera_is_given_time_for_its_first_frame_after_each_activation() -> None:
    health = listening(since_s=0.1)
    assert diagnose(health) == (Level.OK, 'waiting for the first frame on /image')
    health = listening()
    assert diagnose(health)[0] is Level.ERROR
    health.opened()
    assert diagnose(health)[0] is Level.OK


def test_a_camera_that_falls_silent_is_an_error_though_frames_were_counted_since_a_look() -> None:
    health = listening()
    health.arrived()
    health.processed({'total': 0.01})
    health.last_arrival_s -= 3.0
    level, said = diagnose(health)
    assert level is Level.ERROR
    assert 'no frame for 3' in said


@pytest.mark.parametrize('fate', [Fate.DROPPED, Fate.OUT_OF_ORDER])
def test_frames_that_arrive_while_nothing_comes_out_are_an_error_that_counts_them(fate) -> None:
    health = listening()
    for _ in range(30):
        health.arrived()
        health.count(fate)
    level, said = diagnose(health)
    assert level is Level.ERROR
    assert said == f'30 frames received and none came out: 30 {fate.value}'


@pytest.mark.parametrize('fate', [Fate.NOT_WANTED, Fate.OVER_RATE])
def test_frames_that_were_not_to_come_out_are_no_error(fate) -> None:
    health = listening()
    health.count(Fate.RECEIVED, 31)
    health.count(fate, 30)
    health.last_arrival_s = time.monotonic()
    assert diagnose(health)[0] is Level.OK


def test_a_clock_that_stands_still_is_named_where_it_holds_the_frames_back() -> None:
    health = listening(clock_stopped=True)
    health.arrived()
    health.count(Fate.OVER_RATE)
    assert diagnose(health) == (Level.ERROR, 'use_sim_time is true and no /clock arrives')


def arriving(
    received: int, processed: int, since_s: float = 10.0, **around: object
) -> CameraHealth:
    """A camera of which so many frames came since the node began to listen."""
    health = listening(since_s, **around)
    health.arrived()
    health.count(Fate.RECEIVED, received - 1)
    health.count(Fate.PROCESSED, processed)
    return health


def test_a_node_that_is_too_slow_says_of_how_many_frames_it_does_how_many() -> None:
    health = arriving(2_700_000, 200_000, since_s=1e5)  # a busy machine adds nothing to this
    assert diagnose(health) == (Level.OK, '2.0 of 27.0 frames per second')


def test_frames_that_are_all_too_old_are_told_with_age_limit_and_the_usual_cause() -> None:
    health = arriving(21, 0, max_age_s=0.5)
    health.count(Fate.TOO_OLD, 21)
    health.age_s = 510.04
    assert diagnose(health) == (
        Level.ERROR,
        'all 21 frames were too old, the last 510.0 s where max_age_s is 0.5: the clocks differ, '
        'or use_sim_time is missing',
    )


def test_frames_of_which_only_some_are_too_old_are_no_error() -> None:
    health = arriving(30, 20, max_age_s=0.5)
    health.count(Fate.TOO_OLD, 10)
    assert diagnose(health)[0] is Level.OK


@pytest.mark.parametrize(('processed', 'level'), [(0, Level.ERROR), (29, Level.WARN)])
def test_rejected_frames_are_told_with_the_cause_and_weigh_less_beside_good_ones(
    processed: int, level: Level
) -> None:
    health = arriving(30, processed)
    health.reject('BrokenImage', 'the rows are too short')
    assert diagnose(health) == (level, '1 frames rejected: the rows are too short')
    assert health.counts['rejected: BrokenImage'] == 1


@pytest.mark.parametrize('stopped', [False, True])
def test_frames_of_the_future_are_told_unless_our_clock_stands_still(stopped: bool) -> None:
    health = arriving(30, 30, clock_stopped=stopped)
    health.age_s = -0.2
    assert diagnose(health)[0] is Level.OK
    health.age_s = -510.0
    sentence = 'no /clock arrives' if stopped else 'stamped 510.0 s ahead of our clock'
    level, said = diagnose(health)
    assert level is Level.WARN and sentence in said


@pytest.mark.parametrize(('max_age_s', 'level'), [(0.0, Level.WARN), (100.0, Level.OK)])
def test_frames_of_long_ago_are_told_unless_they_may_be_as_old(max_age_s, level) -> None:
    health = arriving(30, 30, max_age_s=max_age_s)
    health.age_s = 90.4
    told = diagnose(health)
    assert told[0] is level
    assert ('stamped 90 s ago: the clocks differ' in told[1]) == (level is Level.WARN)


@pytest.mark.parametrize(('publishers', 'told'), [(1, False), (2, True)])
def test_stamps_that_jump_back_are_told_with_the_second_publisher(publishers, told) -> None:
    health = arriving(30, 30, publishers=publishers)
    health.count(Fate.JUMPED_BACK)
    level, said = diagnose(health)
    assert level is Level.WARN
    assert (f'{publishers} publishers on /image' in said) is told


def test_idle_is_not_an_error() -> None:
    health = listening(wanted=False)
    health.arrived()
    level, said = diagnose(health)
    assert level is Level.OK
    assert 'nobody subscribes' in said


def test_percentiles_are_of_the_frames_that_were_timed() -> None:
    health = CameraHealth('front')
    for milliseconds in range(1, 101):
        health.processed({'network': milliseconds / 1e3})
    network = health.latency.percentiles_ms()['network']
    assert network['p50'] == pytest.approx(50.5)
    assert network['p95'] == pytest.approx(95, abs=0.1)
    assert network['p99'] == pytest.approx(99, abs=0.1)


def test_a_publisher_that_is_seen_after_its_first_frame_makes_nobody_forget_that() -> None:
    health = listening()
    health.arrived()
    health.appeared()
    assert health.last_arrival_s is not None


def test_a_camera_that_comes_back_is_given_time_for_its_first_frame_again() -> None:
    health = listening()
    health.arrived()
    health.last_arrival_s -= 5.0
    health.appeared()
    assert diagnose(health) == (Level.OK, 'waiting for the first frame on /image')


def test_what_was_wrong_before_the_node_began_to_listen_anew_is_forgotten() -> None:
    health = CameraHealth('front', lens_fault='uncalibrated', age_s=-510.0)
    health.opened()
    assert (health.lens_fault, health.age_s) == ('', 0.0)


def test_a_frame_of_any_age_below_a_minute_is_of_our_time_where_no_limit_is_set() -> None:
    assert wrong_time(30.0, Surroundings()) == ''
