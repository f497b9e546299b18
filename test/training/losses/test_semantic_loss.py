"""Cross entropies, orthogonality and the scale from speed."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from sds_training.losses.orthogonality import soft_orthogonality
from sds_training.losses.scale import velocity_loss
from sds_training.losses.semantic import (
    labelled_cross_entropy,
    pseudo_label_cross_entropy,
    soft_jaccard_loss,
)


def logits(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).requires_grad_()


def label(*shape: int) -> torch.Tensor:
    return torch.randint(19, shape, generator=torch.Generator().manual_seed(1))


def test_an_ignorant_network_pays_the_logarithm_of_the_number_of_classes() -> None:
    found = labelled_cross_entropy(torch.zeros(2, 19, 4, 4), label(2, 8, 8))
    torch.testing.assert_close(found, torch.tensor(math.log(19)))


def test_unlabelled_pixels_do_not_count() -> None:
    scores, truth = logits(1, 19, 8, 8), label(1, 8, 8)
    truth[:, 4:] = 255
    torch.testing.assert_close(
        labelled_cross_entropy(scores, truth),
        labelled_cross_entropy(scores[:, :, :4], truth[:, :4]),
    )


def test_labels_may_be_bytes() -> None:
    scores, truth = logits(1, 19, 8, 8), label(1, 8, 8)
    assert torch.equal(
        labelled_cross_entropy(scores, truth.to(torch.uint8)),
        labelled_cross_entropy(scores, truth),
    )


def test_scores_are_enlarged_to_the_labels_size() -> None:
    scores, truth = logits(1, 19, 4, 8), label(1, 16, 32)
    large = F.interpolate(scores, size=(16, 32), mode='bilinear', align_corners=False)
    torch.testing.assert_close(
        labelled_cross_entropy(scores, truth), F.cross_entropy(large, truth)
    )


def test_cross_entropy_keeps_the_digits_of_single_precision() -> None:
    scores, truth = logits(1, 19, 8, 8).bfloat16(), label(1, 8, 8)
    found = labelled_cross_entropy(scores, truth)
    assert torch.equal(found, labelled_cross_entropy(scores.float(), truth))


@pytest.mark.parametrize('frames', [0, 2])
def test_nothing_labelled_costs_nothing_and_still_has_a_graph(frames: int) -> None:
    scores = logits(frames, 19, 4, 4)
    void = torch.full((frames, 8, 8), 255)
    for loss in (
        labelled_cross_entropy(scores, void),
        pseudo_label_cross_entropy(scores, void, torch.ones(frames, 8, 8)),
    ):
        assert loss.item() == 0
        loss.backward()
        assert not scores.grad.any()


def test_full_trust_is_the_labelled_loss_and_none_is_zero() -> None:
    scores, truth = logits(1, 19, 8, 8), label(1, 8, 8)
    ones = torch.ones(1, 8, 8)
    torch.testing.assert_close(
        pseudo_label_cross_entropy(scores, truth, ones), labelled_cross_entropy(scores, truth)
    )
    assert pseudo_label_cross_entropy(scores, truth, 0 * ones) == 0


def test_half_the_trust_is_half_the_say() -> None:
    scores, truth = logits(1, 19, 8, 8), label(1, 8, 8)
    ones = torch.ones(1, 8, 8)
    torch.testing.assert_close(
        pseudo_label_cross_entropy(scores, truth, 0.5 * ones),
        0.5 * pseudo_label_cross_entropy(scores, truth, ones),
    )


def test_no_gradient_reaches_the_trust() -> None:
    trust = torch.full((1, 8, 8), 0.7, requires_grad=True)
    pseudo_label_cross_entropy(logits(1, 19, 8, 8), label(1, 8, 8), trust).backward()
    assert trust.grad is None


def certain(truth: torch.Tensor) -> torch.Tensor:
    """Scores that leave no doubt about `truth`."""
    return 50 * F.one_hot(truth, 19).permute(0, 3, 1, 2).float()


def test_the_jaccard_loss_is_one_minus_the_mean_iou_of_what_is_there() -> None:
    truth = torch.zeros(1, 4, 4, dtype=torch.long)
    truth[:, 0] = 5
    assert soft_jaccard_loss(certain(truth), truth) == pytest.approx(0, abs=1e-6)
    all_road = soft_jaccard_loss(certain(torch.zeros_like(truth)), truth)
    assert all_road == pytest.approx(1 - (12 / 16 + 0) / 2, abs=1e-6)


def test_a_class_of_one_pixel_counts_in_it_as_much_as_a_road() -> None:
    truth = torch.zeros(1, 16, 16, dtype=torch.long)
    truth[:, 3, 3] = 11
    missed = soft_jaccard_loss(certain(torch.zeros_like(truth)), truth)
    assert missed == pytest.approx(0.5, abs=0.01)


def test_unlabelled_pixels_do_not_count_in_it_and_nothing_is_zero() -> None:
    scores, truth = logits(1, 19, 8, 8), label(1, 16, 16)
    truth[:, 8:] = 255
    torch.testing.assert_close(
        soft_jaccard_loss(scores, truth), soft_jaccard_loss(scores[:, :, :4], truth[:, :8])
    )
    nothing = soft_jaccard_loss(scores, torch.full_like(truth, 255))
    nothing.backward()
    assert nothing.item() == 0


def test_the_jaccard_loss_asks_the_middle_of_a_coarse_pixel() -> None:
    scores, small = logits(1, 19, 8, 8), label(1, 8, 8)
    truth = torch.full((1, 16, 16), 255)
    truth[:, 1::2, 1::2] = small
    torch.testing.assert_close(soft_jaccard_loss(scores, truth), soft_jaccard_loss(scores, small))


def test_orthonormal_rows_or_columns_cost_nothing() -> None:
    square = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(0)))[0]
    for weight in (square, square[:3], square[:, :2], square.view(6, 3, 2)):
        assert soft_orthogonality([weight]) < 1e-9


def test_orthogonality_is_the_distance_of_the_smaller_gram_matrix() -> None:
    torch.testing.assert_close(soft_orthogonality([2 * torch.eye(3)]), torch.tensor(27.0))
    tall = torch.tensor([[1.0], [1.0]])
    torch.testing.assert_close(soft_orthogonality([tall, torch.zeros(5)]), torch.tensor(1.0))


def test_orthogonality_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match='two dimensions'):
        soft_orthogonality([torch.zeros(4)])


def moved(*translations: tuple[float, float, float]) -> torch.Tensor:
    """(1, S, 4, 4) without rotation."""
    motion = torch.eye(4).repeat(1, len(translations), 1, 1)
    motion[0, :, :3, 3] = torch.tensor(translations)
    return motion


def test_the_camera_moved_where_the_vehicle_drove_and_as_far() -> None:
    found, nan = moved((0.0, 0.0, 0.5), (0.0, 0.0, -5.0)), float('nan')
    assert velocity_loss(found, found) == 0
    sideways = moved((0.5, 0.0, 0.0), (0.0, 0.0, -5.0))
    assert velocity_loss(sideways, found) > 0.3
    farther = moved((0.0, 0.0, 1.5), (nan, nan, nan))
    torch.testing.assert_close(velocity_loss(found, farther), torch.tensor(1.0))


def test_unknown_motions_do_not_count() -> None:
    found = moved((0.0, 0.0, 1.0), (0.0, 0.0, 9.0)).requires_grad_()
    driven = moved((0.0, 0.0, 3.0), (float('nan'),) * 3)
    loss = velocity_loss(found, driven)
    torch.testing.assert_close(loss, torch.tensor(2.0))
    loss.backward()
    assert found.grad.isfinite().all() and not found.grad[:, 1].any()


def test_without_any_odometry_the_scale_loss_is_zero_with_a_graph() -> None:
    found = moved((0.0, 0.0, 0.0)).requires_grad_()
    loss = velocity_loss(found, torch.full((1, 1, 4, 4), float('nan')))
    loss.backward()
    assert loss.item() == 0 and not found.grad.any()
