"""The graph's own arithmetic: the winner of 19 scores."""

from __future__ import annotations

import onnx
import torch

from sds_perception.engines.export import GraphShape, exported_onnx
from sds_perception.engines.graph import winner
from sds_perception.labels import UNLABELLED


def test_the_winner_is_the_class_of_the_highest_score_and_its_probability_the_softmax():
    scores = torch.randn(2, 19, 5, 7, generator=torch.Generator().manual_seed(0))
    labels, probability = (each.unflatten(1, (5, 7)) for each in winner(scores))
    assert torch.equal(labels, scores.argmax(dim=1).float())
    torch.testing.assert_close(probability, scores.softmax(dim=1).amax(dim=1))


def test_of_equal_scores_the_first_class_wins():
    assert winner(torch.tensor([1.0, 3.0, 3.0]).view(1, 3, 1, 1))[0].item() == 1


def test_scores_that_are_no_numbers_have_no_winner():
    assert winner(torch.tensor([1.0, torch.nan]).view(1, 2, 1, 1))[0].item() == UNLABELLED


def test_no_runtime_is_asked_to_sort(small_release, cache):
    """For an argmax OpenVINO does, and is slow at it (docs/performance_notes.md)."""
    for streamlined in (False, True):
        shape = GraphShape((64, 96), 'fine', streamlined=streamlined)
        graph = onnx.load(exported_onnx(small_release, shape, cache)).graph
        assert not {'ArgMax', 'TopK'} & {node.op_type for node in graph.node}


def test_classes_are_compared_in_rows_and_not_in_planes(small_release, cache):
    """OpenVINO takes fifteen times as long for planes, whose channels it blocks by 16."""
    path = exported_onnx(small_release, GraphShape((64, 96), 'fast'), cache)
    graph = onnx.shape_inference.infer_shapes(onnx.load(path)).graph
    rank = {each.name: len(each.type.tensor_type.shape.dim) for each in graph.value_info}
    over = [rank[node.input[0]] for node in graph.node if node.op_type == 'ReduceMin']
    assert over == [3]
