"""Metres from the vehicle's own speed: the camera moved as far as the vehicle drove."""

from __future__ import annotations

import torch
from torch import Tensor


def velocity_loss(translation: Tensor, travel_m: Tensor) -> Tensor:
    """Mean difference in metres between the predicted and the driven distance.

    Args:
        translation: (B, S, 3), the camera's motion to each source frame, any direction.
        travel_m: (B, S), metres driven meanwhile; entries that are not finite do not count.

    Returns:
        Scalar; exactly zero, with a graph, if nothing counts.
    """
    known = travel_m.isfinite()
    driven = torch.where(known, travel_m, torch.zeros_like(travel_m))
    error = (torch.linalg.vector_norm(translation, dim=2) - driven).abs()
    return (error * known).sum() / known.sum().clamp(min=1)
