"""What the objective listens to, and how loud each part is; every weight can be set in a file."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from sds_training.config_error import require_at_least


@dataclass(frozen=True)
class LossConfig:
    """Weights of the objective's terms; 0 takes a term out of the sum."""

    supervised: float = 1.0
    """Cross entropy on people's labels, final and side head averaged."""

    jaccard: float = 0.0
    """Soft intersection over union of the final head on people's labels: each class that they show
    counts the same."""

    consistency: float = 1.0
    """Cross entropy on mixed pictures against the teacher's labels."""

    depth: float = 1.0
    """Photometric error and smoothness of the neighbouring frames."""

    compare: Literal['full', 'own', 'finest'] = 'full'
    """Size at which each scale of disparity is compared: the pictures' (method.md 1.4), its own,
    which finds its way from a random start and costs a tenth, or the pictures' for the finest."""

    smoothness: float = 1e-3
    """Edge-aware smoothness inside the depth term, halved per scale."""

    speed: float = 0.0
    """Distance between the motion by pose and by vehicle speed; makes depth metric. Wants the
    vehicle files of all frames with neighbours, and a depth term."""

    road: float = 0.0
    """Distance of the road's depth from the plane below the camera, where the camera file says how
    high and how it is mounted; makes depth metric."""

    standing: float = 0.0
    """Distance of a thing's depth from the ground's at its foot, where semantics knows both; each
    class counts as the root of its pixels."""

    kept_depth: float = 0.0
    """Distance from what `init_from` says of depth, on frames whose depth no neighbours teach:
    else it is lost while labels change the encoder that both tasks share."""

    orthogonality: float = 0.0
    """Soft orthogonality of CCAM's linear layers (method.md 2.3), off after 75 % of the steps."""

    feature_distance: float = 1e-2
    """Depth stage only: distance of the last features to those of a frozen ImageNet encoder."""

    def __post_init__(self) -> None:
        weights = [each.name for each in fields(self) if each.name != 'compare']
        require_at_least(0, self, 'loss.', *weights)
