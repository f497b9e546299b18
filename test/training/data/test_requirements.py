from __future__ import annotations

import pytest

from sds_training.data.cityscapes import DataError
from sds_training.data.clips import training_pools
from sds_training.data.config import DataConfig
from sds_training.data.requirements import (
    require_mounting,
    require_some_to_judge,
    require_vehicles,
)


def test_an_empty_pool_is_refused(city_folder) -> None:
    city_folder.sequence(['own_000000_000000'])
    for halves, wanted in (((1, 0), 'no labelled frames'), ((0, 1), 'unlabelled pool')):
        config = DataConfig(
            root=str(city_folder.root), labelled_batch=halves[0], unlabelled_batch=halves[1]
        )
        with pytest.raises(DataError, match=wanted):
            training_pools(config)


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
