"""Which frames there are to draw from, and which are refused."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import numpy as np
import pytest

from sds_training.data.cityscapes import DataError
from sds_training.data.clips import Clip, training_pools
from sds_training.data.config import DataConfig
from sds_training.data.files import read_camera, read_vehicle


@pytest.fixture
def config(street) -> DataConfig:
    """The street's own size, so that pixels can be compared with the files."""
    return DataConfig(
        root=str(street.root), size=(64, 32), crop=(24, 16), labels=4, use_cache=False
    )


@pytest.fixture
def moving(config) -> Clip:
    """A labelled frame with neighbours."""
    return next(each for each in training_pools(config).labelled if each.neighbours)


def test_the_seed_decides_which_frames_are_labelled(config) -> None:
    chosen = [training_pools(replace(config, split_seed=seed)).split for seed in range(4)]
    assert len({each.labelled for each in chosen}) > 1
    assert [each.seed for each in chosen] == [0, 1, 2, 3]


@pytest.mark.parametrize('silent', ['itself', 'earlier', 'later', 'no neighbours'])
def test_a_motion_that_nobody_tells_is_unknown_and_the_other_one_is_not(
    moving, silent: str
) -> None:
    if silent == 'no neighbours':
        clip = replace(moving, neighbours=None)
    else:
        place = ('itself', 'earlier', 'later').index(silent)
        told = (None if at == place else each for at, each in enumerate(moving.vehicles))
        clip = replace(moving, vehicles=tuple(told))
    unknown = [bool(np.isnan(motion).all()) for motion in clip.driven(0.1)]
    assert unknown == {'earlier': [True, False], 'later': [False, True]}.get(silent, [True, True])


def test_a_picture_that_nobody_labelled_is_unlabelled_where_all_labels_are_asked_for(
    street, config
) -> None:
    street.image('kiel_000000_000100')
    pools = training_pools(replace(config, labels='all', pool_includes_labelled=False))
    assert [clip.name for clip in pools.unlabelled] == ['kiel_000000_000100']


def test_the_pool_can_be_kept_free_of_labelled_frames(config) -> None:
    pools = training_pools(replace(config, pool_includes_labelled=False))
    assert not {c.name for c in pools.labelled} & {c.name for c in pools.unlabelled}
    assert len(pools.unlabelled) == 4


def test_an_assumed_camera_under_moving_frames_is_warned_of(city_folder, caplog) -> None:
    city_folder.sequence([f'own_000000_{n:06d}' for n in range(3)])
    config = DataConfig(root=str(city_folder.root), labelled_batch=0, extra_unlabelled='all')
    with caplog.at_level(logging.WARNING):
        training_pools(config)
    assert 'no camera file' in caplog.text and 'own_000000_000001' in caplog.text


def test_positions_asked_for_in_vain_are_counted(config, caplog) -> None:
    with caplog.at_level(logging.INFO):
        pools = training_pools(replace(config, extra_unlabelled=(5, 17, 18, 20)))
    assert any(clip.name.endswith('_000018') for clip in pools.unlabelled)
    told = 'of 32 frames that data.extra_unlabelled asks for 14 are not in leftImg8bit_sequence'
    assert f'{told} and 6 lack a neighbour' in caplog.text  # 8 snippets, 2 without a sequence


def test_no_frame_is_in_the_pool_twice(config) -> None:
    pool = training_pools(replace(config, labels=2, extra_unlabelled=(18, 19, 20))).unlabelled
    names = [clip.name for clip in pool]
    assert len(names) == len(set(names)) and 'aachen_000000_000018' in names


def test_the_pool_is_in_the_order_of_its_names_wherever_its_frames_come_from(config) -> None:
    pool = training_pools(replace(config, labels=2, extra_unlabelled=(18, 20))).unlabelled
    names = [clip.name for clip in pool]
    assert len(names) > 8 and names == sorted(names)


def test_where_clips_alone_are_wanted_the_pool_has_no_other_frames(config) -> None:
    some = training_pools(replace(config, clips_only=True)).unlabelled
    assert some and all(clip.neighbours for clip in some)
    assert len(some) < len(training_pools(config).unlabelled)


def test_how_a_camera_is_mounted_decides_how_it_moves(moving) -> None:
    told = json.loads(moving.camera.read_text())
    moving.camera.write_text(json.dumps({**told, 'extrinsic': {'yaw': np.pi / 2}}))
    read_camera.cache_clear()
    _, later = moving.driven(0.1)  # looks left: what it sees moves to its left, backwards
    assert later[:3, 3] == pytest.approx((-1.0, 0.0, 0.0), abs=1e-9)


def test_speeds_are_those_of_the_neighbour_that_is_reached(street, moving) -> None:
    pictures = (moving.image, *moving.neighbours)
    for picture, speed in zip(pictures, (10.0, 6.0, 20.0), strict=True):
        name = picture.name.removesuffix('_leftImg8bit.png')
        vehicle = street.path('vehicle_sequence', name, '_vehicle.json')
        vehicle.write_text(json.dumps({'speed': speed, 'yawRate': 0.0}))
    read_vehicle.cache_clear()
    earlier, later = moving.driven(0.1)
    assert (earlier[2, 3], later[2, 3]) == pytest.approx((0.8, -1.5))
    assert moving.travel_m(0.1) == pytest.approx(1.5)


def test_frames_at_rest_stay_out_of_the_unlabelled_pool(street) -> None:
    config = DataConfig(root=str(street.root), size=(64, 32), crop=(24, 16), use_cache=False)
    seen = training_pools(config).unlabelled
    rests = next(clip for clip in seen if clip.neighbours)
    for vehicle in rests.vehicles:
        vehicle.write_text(json.dumps({'speed': 0.1, 'yawRate': 0.0}))
    moving = training_pools(replace(config, least_travel_m=0.05)).unlabelled
    assert {clip.name for clip in seen} - {clip.name for clip in moving} == {rests.name}
    rests.vehicles[1].unlink()
    with pytest.raises(DataError, match=f'data.least_travel_m is 0.05 .* {rests.name}'):
        training_pools(replace(config, least_travel_m=0.05))


def test_travel_is_that_to_the_neighbour_that_is_asked_for(config) -> None:
    apart = replace(config, neighbour_gap=2, frame_period_s=0.1, least_travel_m=1.5)
    assert any(clip.neighbours for clip in training_pools(apart).unlabelled)  # 2 m at 10 m/s
    near = replace(apart, neighbour_gap=1)
    assert not any(clip.neighbours for clip in training_pools(near).unlabelled)
