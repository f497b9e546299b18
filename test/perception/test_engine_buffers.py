"""An engine may write every answer over the last one."""

from __future__ import annotations

import numpy as np
import pytest

from sds_perception.engines import Engine, EngineOutput
from sds_perception.perceiver import Perceiver
from sds_perception.release import Release


class Rewriting:
    """Says what another engine says, always in the same arrays."""

    def __init__(self, engine: Engine) -> None:
        self.input_size, self._engine = engine.input_size, engine
        self._kept: EngineOutput | None = None

    def __call__(self, frames: np.ndarray) -> EngineOutput:
        said = self._engine(frames)
        self._kept = self._kept or said
        for old, new in zip(self._kept[:3], said[:3], strict=True):
            old[:] = new
        return self._kept


@pytest.mark.parametrize('output_size', ['camera', 'network'])
def test_a_scene_outlives_what_the_engine_says_next(metric_release: Release, output_size) -> None:
    engine = Perceiver.from_release(metric_release).engine
    perceiver = Perceiver(metric_release, Rewriting(engine), output_size=output_size)
    first, second = np.random.default_rng(0).integers(0, 256, (2, 90, 150, 3), np.uint8)
    scene = perceiver(first)
    names = ('labels', 'depth', 'network_confidence')
    before = [getattr(scene, name).copy() for name in names]
    perceiver(second)
    for name, kept in zip(names, before, strict=True):
        np.testing.assert_array_equal(getattr(scene, name), kept)
