"""The running statistics of BatchNorms while a network learns: kept, put back, shared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from sds_perception.network import batch_norms


@contextmanager
def statistics_kept(network: nn.Module) -> Iterator[None]:
    """Inside, BatchNorms use their batch's statistics and do not add them to the running ones."""
    norms = batch_norms(network)
    momenta = [each.momentum for each in norms]
    try:
        for each in norms:
            each.momentum = 0.0
        yield
    finally:
        for each, momentum in zip(norms, momenta, strict=True):
            each.momentum = momentum


def copied_buffers(network: nn.Module) -> list[Tensor]:
    """Copies to put back if the step turns out to count for nothing."""
    return [each.clone() for each in network.buffers()]


@torch.no_grad()
def put_back(network: nn.Module, buffers: list[Tensor]) -> None:
    """The inverse of `copied_buffers`."""
    torch._foreach_copy_(list(network.buffers()), buffers)


@torch.no_grad()
def share_statistics(network: nn.Module, mean: Callable[[Tensor], Tensor]) -> None:
    """Give every process the mean of what all saw.

    Without it each has seen its own frames only, each teacher believes otherwise, and the release
    holds what the first process saw.

    Args:
        network: whose floating-point buffers become the mean.
        mean: of a flat tensor, over all processes.
    """
    shared = [each for each in network.buffers() if each.is_floating_point()]
    if not shared:
        return
    flat = mean(torch.cat([each.flatten() for each in shared]))
    for each, part in zip(shared, flat.split([each.numel() for each in shared]), strict=True):
        each.copy_(part.view_as(each))
