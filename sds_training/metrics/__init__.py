"""How good a scene is: classes by intersection over union, depth by the usual errors."""

from sds_training.metrics.depth import (
    METRICS,
    PROTOCOLS,
    DepthProtocol,
    DepthScores,
    counted_pixels,
    depth_errors,
)
from sds_training.metrics.scores import Judged, Scores, Tally
from sds_training.metrics.semantics import FOLDS, Confusion, fold_table

__all__ = [
    'FOLDS',
    'METRICS',
    'PROTOCOLS',
    'Confusion',
    'DepthProtocol',
    'DepthScores',
    'Judged',
    'Scores',
    'Tally',
    'counted_pixels',
    'depth_errors',
    'fold_table',
]
