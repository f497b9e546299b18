from __future__ import annotations

import torch
from torch import nn

from sds_training.networks.statistics import copied_buffers, put_back, share_statistics


def test_after_sharing_every_process_has_the_mean_of_all_statistics() -> None:
    here, there = (nn.Sequential(nn.BatchNorm2d(3), nn.BatchNorm2d(2)) for _ in range(2))
    for network, level in ((here, 1.0), (there, 5.0)):
        for each in network:  # each by itself: they have channels of their own
            each(torch.full((2, each.num_features, 4, 4), level))
    others = torch.cat([each.flatten() for each in there.buffers() if each.is_floating_point()])
    share_statistics(here, lambda flat: (flat + others) / 2)
    for mine, theirs in zip(here, there, strict=True):
        torch.testing.assert_close(mine.running_mean, theirs.running_mean * 0.6)  # (1 + 5) / 2 / 5
        assert int(mine.num_batches_tracked) == 1


def test_what_a_network_saw_can_be_forgotten() -> None:
    network = nn.BatchNorm2d(3)
    before = copied_buffers(network)
    network(torch.full((2, 3, 4, 4), torch.inf))
    assert not torch.isfinite(network.running_mean).all()
    put_back(network, before)
    assert torch.equal(network.running_mean, torch.zeros(3))
    assert int(network.num_batches_tracked) == 0
