"""The graph's own arithmetic: the winner of 19 scores."""

from __future__ import annotations

import onnx
import torch

from sds_perception.engines.export import GraphShape, exported_onnx
from sds_perception.engines.graph import first_at
from sds_perception.labels import UNLABELLED


def winners(scores: torch.Tensor) -> torch.Tensor:
    return first_at(scores.amax(dim=1, keepdim=True), scores)


def test_the_winner_is_the_class_of_the_highest_score():
    scores = torch.randn(2, 19, 5, 7, generator=torch.Generator().manual_seed(0))
    assert torch.equal(winners(scores), scores.argmax(dim=1).float())


def test_of_equal_scores_the_first_class_wins():
    assert winners(torch.tensor([1.0, 3.0, 3.0]).view(1, 3, 1, 1)).item() == 1


def test_scores_that_are_no_numbers_have_no_winner():
    assert winners(torch.tensor([1.0, torch.nan]).view(1, 2, 1, 1)).item() == UNLABELLED


def test_no_runtime_is_asked_to_sort(small_release, cache):
    """For an argmax OpenVINO does, and is slow at it (docs/performance_notes.md)."""
    for streamlined in (False, True):
        shape = GraphShape((64, 96), 'fine', streamlined=streamlined)
        graph = onnx.load(exported_onnx(small_release, shape, cache)).graph
        assert not {'ArgMax', 'TopK'} & {node.op_type for node in graph.node}
