from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sds_training.config import TrainingConfig
from sds_training.data.cityscapes import DataError
from sds_training.data.clips import Pools, training_pools
from sds_training.data.config import DataConfig
from sds_training.data.requirements import (
    require_mounting,
    require_some_to_judge,
    require_supervision,
    require_vehicles,
)

Make = Callable[..., TrainingConfig]
ALONE = '--data.pool_includes_labelled=false'
ODOMETRY = ('--pose.odometry=true', '--loss.speed=0')
FOR_DEPTH_ALONE = {'depth_only': True}
SILENT = {'vehicles': (None, None, None)}


def test_an_empty_pool_is_refused(city_folder) -> None:
    city_folder.sequence(['own_000000_000000'])
    for halves, wanted in (((1, 0), 'no labelled frames'), ((0, 1), 'unlabelled pool')):
        config = DataConfig(
            root=str(city_folder.root), labelled_batch=halves[0], unlabelled_batch=halves[1]
        )
        with pytest.raises(DataError, match=wanted):
            training_pools(config)


def test_a_pool_that_no_batch_draws_from_may_be_empty(city_folder) -> None:
    city_folder.image('own_000000_000000')
    city_folder.label('own_000000_000000')
    root = str(city_folder.root)
    config = DataConfig(root=root, unlabelled_batch=0, pool_includes_labelled=False)
    assert not training_pools(config).unlabelled


def test_odometry_that_is_missing_is_named(street) -> None:
    config = DataConfig(root=str(street.root), size=(64, 32), crop=(24, 16), use_cache=False)
    pools = training_pools(config)
    words = ('pose.odometry is true', 'set pose.odometry to false')
    require_vehicles(pools, *words)
    silent = next(clip for clip in pools.unlabelled if clip.neighbours)
    silent.vehicles[1].unlink()
    with pytest.raises(DataError, match=f'{words[0]} but 1 of .*{silent.name}.*, or {words[1]}'):
        require_vehicles(training_pools(config), *words)


def test_a_camera_whose_height_nobody_told_is_named(street) -> None:
    config = DataConfig(root=str(street.root), size=(64, 32), crop=(24, 16), use_cache=False)
    pools = training_pools(config)
    with pytest.raises(DataError, match=r'loss.road is above 0 .* extrinsic.z \(first: '):
        require_mounting(pools)


def test_a_teacher_needs_a_frame_that_is_not_for_depth_alone(city_folder) -> None:
    city_folder.sequence([f'own_000000_{n:06d}' for n in range(3)])
    config = DataConfig(
        root=str(city_folder.root),
        labelled_batch=0,
        extra_unlabelled='all',
        extra_depth_only=True,
        use_cache=False,
    )
    with pytest.raises(DataError, match='loss.consistency is 1.0 but all 1 unlabelled frames'):
        require_some_to_judge(training_pools(config), 1.0)
    city_folder.image('cam_000000_000001')
    require_some_to_judge(training_pools(config), 1.0)


def pools_with(config: TrainingConfig, half: str, **change: Any) -> Pools:
    """The pools of a config, all frames of one of them changed."""
    pools = training_pools(config.data)
    changed = tuple(replace(clip, **change) for clip in getattr(pools, half))
    return replace(pools, **{half: changed})


@pytest.mark.parametrize(('words', 'half', 'lacks', 'said'), [
    (('--loss.road=1',), 'unlabelled', {'camera': None}, 'loss.road is above 0 but 9 of 9 frames'),
    (ODOMETRY, 'unlabelled', SILENT, 'pose.odometry is true but 9 of 9 frames'),
    ((*ODOMETRY, ALONE), 'labelled', SILENT, 'pose.odometry is true but 2 of 9 frames'),
    ((), 'unlabelled', FOR_DEPTH_ALONE, 'loss.consistency is 1.0 but all 9 unlabelled frames'),
])  # fmt: skip
def test_what_is_to_be_learnt_is_refused_where_the_frames_cannot_teach_it(
    tiny_run: Make, words: tuple[str, ...], half: str, lacks: dict[str, Any], said: str
) -> None:
    config = tiny_run(*words)
    require_supervision(config, training_pools(config.data))
    with pytest.raises(DataError, match=said):
        require_supervision(config, pools_with(config, half, **lacks))


@pytest.mark.parametrize(('words', 'half', 'lacks'), [
    (('--loss.consistency=0',), 'unlabelled', FOR_DEPTH_ALONE),
    (('--data.unlabelled_batch=0',), 'unlabelled', FOR_DEPTH_ALONE),
    (
        ('--stage=depth', '--data.labelled_batch=0', '--data.clips_only=true'),
        'unlabelled',
        FOR_DEPTH_ALONE,
    ),
    (('--stage=depth', '--data.labelled_batch=0', ALONE), 'labelled', {'neighbours': None}),
])  # fmt: skip
def test_what_nobody_is_to_learn_from_a_frame_it_need_not_teach(
    tiny_run: Make, words: tuple[str, ...], half: str, lacks: dict[str, Any]
) -> None:
    config = tiny_run(*words)
    require_supervision(config, pools_with(config, half, **lacks))


@pytest.mark.parametrize('height_m', [0.0, -1.2])
def test_no_road_lies_at_the_height_of_its_camera(
    tiny_run: Make, tmp_path: Path, height_m: float
) -> None:
    file = tmp_path / 'a_camera.json'
    intrinsic = {'fx': 90.0, 'fy': 90.0, 'u0': 47.5, 'v0': 31.5}
    file.write_text(json.dumps({'intrinsic': intrinsic, 'extrinsic': {'z': height_m}}))
    with pytest.raises(DataError, match='loss.road is above 0 but 2 of 9 frames'):
        require_mounting(pools_with(tiny_run(ALONE), 'labelled', camera=file))
