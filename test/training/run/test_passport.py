from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sds_perception.brightness import intensity
from sds_perception.camera import Camera
from sds_perception.release import Release, write_release
from sds_training.config import TrainingConfig
from sds_training.data.cityscapes import DataError, digest_of
from sds_training.data.clips import Clip, Pools, training_pools
from sds_training.data.loading import open_files
from sds_training.run.origin import read_origin
from sds_training.run.passport import (
    Before,
    data_passport,
    known_before,
    median_camera,
    shown_brightness,
)
from sds_training.run.run_state import saved_states

Make = Callable[..., TrainingConfig]


def passport_of(config: TrainingConfig) -> dict[str, Any]:
    """What a run of this config knows of its data."""
    return data_passport(config, training_pools(config.data), known_before(config))


@pytest.fixture
def without(drive: Path, tmp_path: Path) -> Callable[[str], str]:
    """Names a copy of the drive that lacks one kind of file, as a word of a command."""

    def make(folder: str) -> str:
        shutil.copytree(drive, tmp_path / 'poorer', ignore=shutil.ignore_patterns(folder))
        return f'--data.root={tmp_path / "poorer"}'

    return make


def test_metres_by_speed_need_the_vehicles_word(tiny_run: Make, without: Callable) -> None:
    root = without('vehicle_sequence')
    with pytest.raises(DataError, match=r'loss.speed is 0.1 but 9 of 9 .* set loss.speed to 0'):
        passport_of(tiny_run(root))
    assert not tiny_run(root, '--loss.speed=0').metric
    assert passport_of(tiny_run(root, '--loss.speed=0'))['data']['labelled'] == 2


def test_metres_by_speed_need_frames_that_move(tiny_run: Make, without: Callable) -> None:
    root = without('leftImg8bit_sequence')
    with pytest.raises(DataError, match='loss.speed is 0.1 but none of 3 frames has neighbours'):
        passport_of(tiny_run(root))


def test_depth_that_no_frame_could_teach_is_refused(tiny_run: Make, without: Callable) -> None:
    words = (without('leftImg8bit_sequence'), '--loss.speed=0')
    with pytest.raises(
        DataError, match=r'loss.depth is 1.0 but none of 3 frames to draw .* fetch leftIm'
    ):
        passport_of(tiny_run(*words))
    assert passport_of(tiny_run(*words, '--loss.depth=0'))['data']['pool'] == 3


def test_frames_that_no_batch_draws_teach_no_depth(tiny_run: Make, without: Callable) -> None:
    words = (without('*_000020_leftImg8bit.png'), '--loss.speed=0')  # the labelled are at 19
    assert passport_of(tiny_run(*words))['data']['pool'] == 6
    with pytest.raises(DataError, match='none of 2 frames to draw has neighbours'):
        passport_of(tiny_run(*words, '--data.unlabelled_batch=0'))


def test_odometry_that_no_term_listens_to_teaches_no_metres(tiny_run: Make) -> None:
    words = ('--pose.odometry=true', '--loss.speed=0')
    assert tiny_run(*words).scale_sources == ('vehicle speed',)
    assert not tiny_run(*words, '--loss.depth=0').scale_sources


def test_depth_pretraining_draws_no_frame_without_neighbours(
    tiny_run: Make, without: Callable
) -> None:
    words = (without('*_000020_leftImg8bit.png'), '--stage=depth', '--loss.speed=0')
    wanted = 'lack a neighbour .* set data.clips_only to true and data.labelled_batch to 0'
    with pytest.raises(DataError, match=wanted):
        passport_of(tiny_run(*words))
    with pytest.raises(DataError, match=wanted):
        passport_of(tiny_run(*words, '--data.extra_unlabelled=all', '--data.clips_only=true'))


def test_the_training_camera_is_that_of_the_frames_at_their_training_size_centred(
    tiny_run: Make,
) -> None:
    camera = passport_of(tiny_run('--data.size=[192, 128]'))['camera']
    assert camera == asdict(Camera(180.0, 180.0, 95.5, 63.5, 192, 128))


def test_nine_in_ten_pictures_are_brighter_than_what_a_run_calls_dark(tiny_run: Make) -> None:
    config = tiny_run()
    pools = training_pools(config.data)
    files = open_files(config.data, pools.clips)
    clips = (*pools.labelled, *pools.unlabelled)
    every = [intensity(files.read(clip.image).pixels) for clip in clips]
    assert len(set(every)) > 1
    assert passport_of(config)['brightness'] == pytest.approx(np.quantile(every, 0.1), abs=1e-3)


def test_a_run_sees_frames_as_bright_as_its_start_did_and_goes_on_as_it_began(
    tiny_run: Make, tmp_path: Path, metric_release: Release
) -> None:
    write_release(tmp_path / 'noon.safetensors', replace(metric_release, brightness=0.7))
    write_release(tmp_path / 'unknown.safetensors', metric_release)
    noon, unknown = (read_origin(str(tmp_path / f'{n}.safetensors')) for n in ('noon', 'unknown'))
    config = tiny_run().data
    pools = training_pools(config)
    own = shown_brightness(config, pools, Before())
    assert 0 < own < 0.7
    for before, shown in (
        (Before(origin=noon), 0.7),
        (Before(origin=unknown), own),
        (Before({'passport': '{"brightness": 0.2}'}), 0.2),
        (Before({'passport': '{}'}), 0.0),  # of a version before it
    ):
        assert shown_brightness(config, pools, before) == shown


def test_a_state_lends_what_the_release_of_its_run_lends(finished_run: TrainingConfig) -> None:
    (*_, file), run_dir = saved_states(finished_run.run_dir), Path(finished_run.run_dir)
    state, release = (read_origin(str(each)) for each in (file, run_dir / 'release.safetensors'))
    assert release.size == (96, 64) and release.brightness > 0 and release.camera is not None
    for name in ('stage', 'network', 'size', 'camera', 'scale', 'brightness'):
        assert getattr(state, name) == getattr(release, name), name


@pytest.fixture
def training_camera(tiny_run: Make, tmp_path: Path) -> Callable[..., Camera]:
    """That of pictures taken through lenses of (fx, fy) pixels; None is unknown."""
    config = tiny_run().data
    pools = training_pools(config)

    def clip_behind(lens: tuple[float, float] | None) -> Clip:
        if lens is None:
            return replace(pools.unlabelled[0], camera=None)
        file = tmp_path / f'{lens}_camera.json'
        file.write_text(
            json.dumps({'intrinsic': {'fx': lens[0], 'fy': lens[1], 'u0': 1, 'v0': 1}})
        )
        return replace(pools.unlabelled[0], camera=file)

    def make(*lenses: tuple[float, float] | None) -> Camera:
        return median_camera(config, Pools((), tuple(map(clip_behind, lenses)), pools.split))

    return make


def test_the_training_camera_has_the_median_of_each_focal_length(
    training_camera: Callable[..., Camera],
) -> None:
    camera = training_camera((100.0, 70.0), (70.0, 95.0), (90.0, 85.0))
    assert (camera.fx, camera.fy) == (90.0, 85.0)


def test_a_camera_that_is_only_assumed_counts_where_no_other_is_known(
    training_camera: Callable[..., Camera],
) -> None:
    assert training_camera(None, (90.0, 90.0), None).fx == 90.0
    assert training_camera(None, None) == Camera.guess(96, 64)


def test_the_training_camera_is_that_of_the_whole_pool_and_not_of_its_beginning(
    training_camera: Callable[..., Camera],
) -> None:
    assert training_camera(*[(50.0, 50.0)] * 64, *[(90.0, 90.0)] * 136).fx == 90.0


def test_the_passport_tells_which_frames_are_learnt_from_without_their_labels(
    tiny_run: Make,
) -> None:
    config = tiny_run('--data.pool_includes_labelled=false')
    data, pool = passport_of(config)['data'], training_pools(config.data).unlabelled
    assert (data['labelled'], data['pool']) == (2, len(pool)) == (2, 7)
    assert data['pool_sha256'] == digest_of([clip.name for clip in pool])


@pytest.mark.parametrize(('words', 'said'), [
    ((), ''),
    (('--data.size=[64, 64]',), 'data.size 64x64 has .* 1.50\\).* 1.50 times as wide'),
    (('--data.size=[64, 64]', '--data.fit=stretch'), ''),
])  # fmt: skip
def test_training_on_another_shape_than_the_vehicle_shows_is_told(
    tiny_run: Make, caplog: pytest.LogCaptureFixture, words: tuple[str, ...], said: str
) -> None:
    config = tiny_run(*words)
    passport_of(config)
    told = '\n'.join(each for each in caplog.messages if 'another shape' in each)
    assert re.search(said, told) if said else not told
