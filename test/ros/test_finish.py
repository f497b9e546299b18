"""Laws of what the operator tells of hood and metres, and of what he is told of the metres."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from sds_perception.camera import Camera
from sds_perception.ego_hood import MaskError
from sds_perception.labels import ROAD, SKY
from sds_perception.metric_scale import FirstKnown
from sds_perception.ros.finish import Finisher
from sds_perception.ros.node_config import NodeConfig
from sds_perception.scene import Scene


def scene(depth: float = 1.0) -> Scene:
    grey = np.zeros((4, 6), np.uint8)
    return Scene(grey, np.full((4, 6), depth, np.float32), grey, 'relative')


@pytest.mark.parametrize(
    ('camera', 'topic'), [('', '~/depth_relative'), ('front', '~/front/depth_relative')]
)
def test_depth_without_metres_is_told_with_the_topic_that_it_is_on(
    camera: str, topic: str
) -> None:
    config = NodeConfig(scale_source=('none',), cameras=(camera,) if camera else ())
    finish = Finisher(config, camera)
    finish(scene(), None, config)
    assert finish.scale == f'depth is relative, on {topic}'


@pytest.mark.parametrize(('max_depth_m', 'known'), [(0.0, True), (199.0, False), (201.0, True)])
def test_depth_beyond_the_range_is_unknown_and_a_range_of_zero_keeps_all(
    max_depth_m: float, known: bool
) -> None:
    config = NodeConfig(fixed_scale=2.0, max_depth_m=max_depth_m)
    finished = Finisher(config, '')(scene(depth=100.0), None, config)
    assert finished.depth_kind == 'metric'
    assert np.isfinite(finished.depth).all() == known


def test_the_sources_of_metres_that_stand_behind_none_are_not_asked() -> None:
    config = NodeConfig(scale_source=('none', 'fixed'), fixed_scale=2.0)
    assert Finisher(config, '')(scene(), None, config).depth_kind == 'relative'


def test_a_height_that_nobody_told_makes_no_metres() -> None:
    config = NodeConfig(scale_source=('camera_height', 'fixed'), fixed_scale=2.0)
    finish = Finisher(config, '')
    finish(scene(), None, config)
    assert finish.scale.startswith('metres from fixed')


def test_what_is_known_of_metres_outlives_a_frame_and_not_a_live_change() -> None:
    config = NodeConfig(fixed_scale=2.0)
    finish = Finisher(config, '')
    finish(scene(), None, config)
    known = finish._scales
    finish(scene(), None, config)
    assert finish._scales is known
    assert finish(scene(), None, replace(config, fixed_scale=3.0)).depth[0, 0] == 3.0
    finish(scene(), None, replace(config, fixed_scale=0.0))
    assert finish.scale == 'depth is relative, on ~/depth_relative'


def test_each_camera_has_its_own_scale() -> None:
    config = NodeConfig(cameras=('left', 'right'), fixed_scales=('left=2', 'right=3'),
                        camera_heights=('left=5', 'right=5'))  # fmt: skip
    depths = [Finisher(config, name)(scene(), None, config).depth[0, 0] for name in config.cameras]
    assert depths == [2.0, 3.0]


def road() -> Scene:
    """Nothing but road, seen from one unit above it."""
    camera = Camera(40.0, 40.0, 31.5, -8.0, 64, 48)
    labels = np.full((48, 64), ROAD, np.uint8)
    return Scene(labels, 1 / camera.rays()[..., 1], labels, 'relative', camera)


def test_each_camera_measures_by_its_own_height_and_says_how_old_that_is() -> None:
    config = NodeConfig(cameras=('left', 'right'), fixed_scales=('left=9', 'right=9'),
                        camera_heights=('left=1.5', 'right=2.5'))  # fmt: skip
    for name, height_m in (('left', 1.5), ('right', 2.5)):
        finish = Finisher(config, name)
        np.testing.assert_allclose(finish(road(), None, config).depth, height_m * road().depth)
        assert finish.scale == f'metres from camera_height: factor {height_m}, quality 1.00'
        finish(replace(road(), labels=np.full_like(road().labels, SKY)), None, config)
        assert finish.scale.endswith(', held for 1 frames')


def test_the_past_of_a_stream_is_forgotten_once_where_another_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resets: list[FirstKnown] = []
    monkeypatch.setattr(FirstKnown, 'reset', lambda scales: resets.append(scales))
    finish = Finisher(NodeConfig(), '')
    for epoch in (0, 0, 1, 1, 1, 2):
        finish.follow(epoch)
    assert len(resets) == 2


def test_each_camera_has_its_own_hood_and_refuses_pictures_of_another_shape(
    tmp_path: Path,
) -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[30:] = 255
    cv2.imwrite(str(tmp_path / 'front.png'), mask)
    config = NodeConfig(cameras=('front',), hood_mask=f'{tmp_path}/{{camera}}.png')
    finish = Finisher(config, 'front')
    finish.require_fits(np.zeros((40, 60, 3), np.uint8))
    with pytest.raises(MaskError, match='60x40, the picture 40x60'):
        finish.require_fits(np.zeros((60, 40, 3), np.uint8))
