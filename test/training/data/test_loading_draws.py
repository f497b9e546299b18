"""Chance in loading: of the seed, of the step and of the pool, and of nothing else."""

from __future__ import annotations

import pytest
import torch

from sds_training.data.clips import training_pools
from sds_training.data.config import DataConfig
from sds_training.data.loading import StepBatches, place_in_pool
from sds_training.data.samples import Batch


@pytest.fixture
def config(city_folder) -> DataConfig:
    """One frame, labelled, which is in both pools."""
    city_folder.labelled_snippet('aachen', 0)
    size = {'size': (64, 32), 'crop': (24, 16), 'labelled_batch': 1, 'unlabelled_batch': 1}
    return DataConfig(root=str(city_folder.root), use_cache=False, **size)


def crops(config: DataConfig, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Eight pictures of either half, step by step."""
    supply = StepBatches(config, training_pools(config), seed)
    batches: list[Batch] = [supply[step] for step in range(8)]
    labelled, pool = zip(
        *((each.labelled.image, each.unlabelled.image) for each in batches), strict=True
    )
    return torch.cat(labelled), torch.cat(pool)


def test_another_seed_cuts_and_flips_the_same_frame_otherwise(config) -> None:
    for one, again, other in zip(*(crops(config, seed) for seed in (1, 1, 2)), strict=True):
        assert torch.equal(one, again) and not torch.equal(one, other)


def test_a_frame_of_both_pools_is_cut_for_each_of_its_own(config) -> None:
    labelled, pool = crops(config, 1)
    assert not torch.equal(labelled, pool)
    assert len({each.numpy().tobytes() for each in labelled}) > 1


def test_each_seed_and_each_pool_is_walked_in_an_order_of_its_own() -> None:
    orders = {
        tuple(place_in_pool(20, (seed, stream), 20 * epoch + place) for place in range(20))
        for seed in (0, 1)
        for stream in (0, 1)
        for epoch in (0, 1, 2)
    }
    assert len(orders) == 12
