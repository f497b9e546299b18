"""Metres from the vehicle: the camera moved as far as the vehicle drove, and in its direction."""

from __future__ import annotations

import torch
from torch import Tensor


def velocity_loss(source_from_target: Tensor, driven: Tensor) -> Tensor:
    """Mean distance in metres between the predicted translation and the driven one.

    Length alone would leave the direction to the photometric term, and a motion that leans
    sideways hides in turns: depth then stays far wherever it started (docs/training_notes.md).

    Args:
        source_from_target: (B, S, 4, 4), by the pose network.
        driven: (B, S, 4, 4), by the vehicle's odometry; entries that are not finite do not count.

    Returns:
        Scalar; exactly zero, with a graph, if nothing counts.
    """
    wanted = driven[..., :3, 3]
    known = wanted.isfinite().all(dim=-1)
    wanted = torch.where(known[..., None], wanted, torch.zeros_like(wanted))
    error = torch.linalg.vector_norm(source_from_target[..., :3, 3] - wanted, dim=-1)
    return (error * known).sum() / known.sum().clamp(min=1)
