"""Which of several sources of scale is believed."""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import Mock

from sds_perception.metric_scale import FirstKnown, ScaleEstimate


def test_of_sources_that_are_all_faded_the_least_faded_wins() -> None:
    known = {2.0: 0.01, 3.0: 0.02, 4.0: 0.005}
    faded = [ScaleEstimate(*each, 'camera_height', 'held') for each in known.items()]
    scales = [SimpleNamespace(update=lambda _, each=each: each) for each in faded]
    assert FirstKnown(scales).update(Mock()).factor == 3.0
