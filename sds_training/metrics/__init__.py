"""How good a scene is: classes by intersection over union, depth by the usual errors."""

from sds_training.metrics.depth import PROTOCOLS, DepthProtocol, DepthScores, depth_errors
from sds_training.metrics.scores import Judged, Scores, Tally
from sds_training.metrics.semantics import Confusion, fold_table

__all__ = [
    'PROTOCOLS',
    'Confusion',
    'DepthProtocol',
    'DepthScores',
    'Judged',
    'Scores',
    'Tally',
    'depth_errors',
    'fold_table',
]
