"""Laws of what the operator is told of the metres."""

from __future__ import annotations

import numpy as np
import pytest

from sds_perception.ros.finish import Finisher
from sds_perception.ros.node_config import NodeConfig
from sds_perception.scene import Scene


@pytest.mark.parametrize(
    ('camera', 'topic'), [('', '~/depth_relative'), ('front', '~/front/depth_relative')]
)
def test_depth_without_metres_is_told_with_the_topic_that_it_is_on(
    camera: str, topic: str
) -> None:
    config = NodeConfig(scale_source=('none',), cameras=(camera,) if camera else ())
    finish = Finisher(config, camera)
    grey = np.zeros((4, 6), np.uint8)
    finish(Scene(grey, np.ones((4, 6), np.float32), grey, 'relative'), None, config)
    assert finish.scale == f'depth is relative, on {topic}'
