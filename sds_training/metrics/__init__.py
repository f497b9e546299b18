"""How good a scene is: classes by intersection over union, depth by the usual errors."""

from sds_training.metrics.depth import METRICS, PROTOCOLS, DepthProtocol, counted_pixels
from sds_training.metrics.scores import ScoredFrame, Scores, Tally
from sds_training.metrics.semantics import FOLDS, fold_table

__all__ = [
    'FOLDS',
    'METRICS',
    'PROTOCOLS',
    'DepthProtocol',
    'ScoredFrame',
    'Scores',
    'Tally',
    'counted_pixels',
    'fold_table',
]
