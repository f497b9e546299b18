"""Metres from the vehicle's speed: the camera moved as far as the vehicle drove, and forwards."""

from __future__ import annotations

import torch
from torch import Tensor


def velocity_loss(translation: Tensor, travel_m: Tensor) -> Tensor:
    """Mean distance in metres between the predicted motion and the driven way along the axis.

    The camera is taken to look where the vehicle drives. Length alone would leave the direction
    to the photometric term, and a motion that leans sideways hides in turns: depth then stays far
    wherever it started (docs/training.md).

    Args:
        translation: (B, 2, 3) of source_from_target for the earlier and the later frame: points
            of the target lie farther ahead of the earlier camera, and less far of the later one.
        travel_m: (B, 2), metres driven meanwhile; entries that are not finite do not count.

    Returns:
        Scalar; exactly zero, with a graph, if nothing counts.
    """
    known = travel_m.isfinite()
    driven = torch.where(known, travel_m, torch.zeros_like(travel_m))
    ahead = driven * driven.new_tensor((1.0, -1.0))
    wanted = torch.stack((torch.zeros_like(ahead), torch.zeros_like(ahead), ahead), dim=2)
    error = torch.linalg.vector_norm(translation - wanted, dim=2)
    return (error * known).sum() / known.sum().clamp(min=1)
