"""From the facts about one camera to a level and the one sentence an operator needs.

Knows no ROS.
"""

from __future__ import annotations

from collections import Counter

from sds_perception.ros.health import PATIENCE_S, CameraHealth, Fate, Level, Surroundings

PAST_S = 60.0  # older frames are of another time, though nothing asks for newer ones
FUTURE_S = 1.0  # frames may be ahead of a /clock that ticks seldom, not by more
NO_CLOCK = 'use_sim_time is true and no /clock arrives'
CLOCKS = 'the clocks differ, or use_sim_time is missing'
_PROFILE = (
    '; with Fast DDS point FASTDDS_DEFAULT_PROFILES_FILE and FASTRTPS_DEFAULT_PROFILES_FILE at '
    'the fastdds.xml of this package on both sides'
)


def diagnose(health: CameraHealth) -> tuple[Level, str]:
    """The level and the one sentence an operator needs about this camera now."""
    news, elapsed_s = health.lately()
    fault = _why_nothing_arrives(health) or _why_frames_fall(health, news)
    if elapsed_s >= PATIENCE_S:
        fault = fault or _why_nothing_comes_out(health, news)
    if fault:
        return fault
    if not health.around.wanted:
        return Level.OK, 'idle: frames arrive and nobody subscribes to an output'
    if health.around.camera_fault:
        return Level.WARN, health.around.camera_fault
    per_s = 1 / elapsed_s if elapsed_s > 0 else 0.0
    out_hz, in_hz = news[Fate.PROCESSED] * per_s, news[Fate.RECEIVED] * per_s
    return Level.OK, f'{out_hz:.1f} of {in_hz:.1f} frames per second; {health.scale}'.rstrip('; ')


def _why_nothing_arrives(health: CameraHealth) -> tuple[Level, str] | None:
    around, silent_s = health.around, health.silent_s()
    if health.last_arrival_s is not None and silent_s < PATIENCE_S:
        return None
    if around.foreign_type:
        return Level.ERROR, around.foreign_type
    if around.incompatible_qos:
        return (
            Level.ERROR,
            f'incompatible QoS on {around.topic}: its publisher does not offer the '
            f'{around.incompatible_qos} we ask for; set qos_reliability to match',
        )
    if around.publishers == 0:
        return Level.ERROR, f'no publisher on {around.topic}'
    if around.clock_stopped:
        return Level.ERROR, NO_CLOCK
    if silent_s < PATIENCE_S:
        return Level.OK, f'waiting for the first frame on {around.topic}'
    never = health.last_arrival_s is None
    silent = 'no frame has come yet' if never else f'no frame for {silent_s:.1f} s'
    return (
        Level.ERROR,
        f'{around.publishers} publisher(s) on {around.topic} but {silent}: either the camera is '
        f'not sending, or DDS drops fragments of large frames{_PROFILE}',
    )


def _why_frames_fall(health: CameraHealth, news: Counter[str]) -> tuple[Level, str] | None:
    if failed := news[Fate.FAILED]:
        return Level.ERROR, f'{failed} frames failed: {health.last_rejection}'
    if rejected := news[Fate.REJECTED]:
        level = Level.WARN if news[Fate.PROCESSED] else Level.ERROR
        return level, f'{rejected} frames rejected: {health.last_rejection}'
    return _why_time_is_wrong(health, news)


def _why_time_is_wrong(health: CameraHealth, news: Counter[str]) -> tuple[Level, str] | None:
    around = health.around
    if news[Fate.TOO_OLD] and not news[Fate.PROCESSED]:
        return (
            Level.ERROR,
            f'all {news[Fate.TOO_OLD]} frames were too old, {too_old(health.age_s, around)}',
        )
    if news[Fate.JUMPED_BACK]:
        many = around.publishers
        cause = f': {many} publishers on {around.topic}' if many > 1 else ''
        return Level.WARN, f'stamps jumped back, filters and latency start anew{cause}'
    if news[Fate.PROCESSED] and (wrong := _of_another_time(health.age_s, around)):
        return Level.WARN, NO_CLOCK if around.clock_stopped else wrong
    return None


def wrong_time(age_s: float, around: Surroundings) -> str:
    """What makes a frame of this age useless or suspicious, or ''; a stamp of 0 has no age."""
    if around.clock_stopped:
        return NO_CLOCK
    if 0 < around.max_age_s < age_s:
        return f'frames are too old, {too_old(age_s, around)}'
    return _of_another_time(age_s, around)


def too_old(age_s: float, around: Surroundings) -> str:
    """How old the last one was and what may be the cause, as part of a sentence."""
    return f'the last {age_s:.1f} s where max_age_s is {around.max_age_s:g}: {CLOCKS}'


def _of_another_time(age_s: float, around: Surroundings) -> str:
    """That frames come from the past or the future, and why, or ''."""
    if age_s > PAST_S and not around.max_age_s:
        return f'frames are stamped {age_s:.0f} s ago: {CLOCKS}'
    if age_s < -FUTURE_S:
        return f'frames are stamped {-age_s:.1f} s ahead of our clock: {CLOCKS}'
    return ''


def _why_nothing_comes_out(health: CameraHealth, news: Counter[str]) -> tuple[Level, str] | None:
    """Frames were wanted all the time and arrived, and none came through."""
    around, received = health.around, news[Fate.RECEIVED]
    if news[Fate.PROCESSED] or news[Fate.NOT_WANTED] or not (around.wanted and received):
        return None
    if around.clock_stopped:  # the rate cap goes by it
        return Level.ERROR, NO_CLOCK
    if received - news[Fate.OVER_RATE] < 2:
        return None  # the one that was let through may still be at work
    fates = [f'{number} {fate}' for fate, number in sorted(news.items()) if fate != Fate.RECEIVED]
    told = ', '.join(fates) or 'the network is still at the first'
    return Level.ERROR, f'{received} frames received and none came out: {told}'
