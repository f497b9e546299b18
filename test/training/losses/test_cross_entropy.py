"""Cross entropy with its gradient by hand, against the one of tensor operations."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from sds_training.losses.cross_entropy import cross_entropy_map, enlarging_adjoint


def by_operations(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    large = F.interpolate(logits.float(), label.shape[-2:], mode='bilinear', align_corners=False)
    return F.cross_entropy(large, label, ignore_index=255, reduction='none')


@pytest.mark.parametrize('size', [(8, 12), (16, 24), (32, 48), (24, 36), (19, 25)])
def test_value_and_gradient_are_those_of_tensor_operations(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = (9 * torch.randn(2, 19, 8, 12, generator=generator)).requires_grad_()
    label = torch.randint(0, 19, (2, *size), generator=generator)
    label[:, :3] = 255
    weight = torch.rand(2, *size, generator=generator)
    found, wanted = cross_entropy_map(logits, label), by_operations(logits, label)
    torch.testing.assert_close(found, wanted)
    slopes = [torch.autograd.grad((weight * e).sum(), logits)[0] for e in (found, wanted)]
    torch.testing.assert_close(*slopes)


def test_scores_too_large_for_an_exponential_do_no_harm() -> None:
    logits = torch.full((1, 19, 2, 2), -900.0)
    logits[:, 3] = 900.0
    found = cross_entropy_map(logits, torch.full((1, 4, 4), 3))
    torch.testing.assert_close(found, torch.zeros(1, 4, 4))


def test_half_precision_scores_are_judged_in_float32() -> None:
    logits = torch.randn(1, 19, 4, 4, generator=torch.Generator().manual_seed(0)).bfloat16()
    label = torch.full((1, 8, 8), 5)
    with torch.autocast('cpu', torch.bfloat16):
        found = cross_entropy_map(logits, label)
    torch.testing.assert_close(found, by_operations(logits, label))


@pytest.mark.parametrize('factor', [2, 4, 8])
def test_the_adjoint_of_enlarging_has_the_same_inner_products(factor: int) -> None:
    generator = torch.Generator().manual_seed(factor)
    small = torch.randn(2, 3, 5, 6, generator=generator)
    large = torch.randn(2, 3, 5 * factor, 6 * factor, generator=generator)
    enlarged = F.interpolate(small, scale_factor=factor, mode='bilinear', align_corners=False)
    there, back = (enlarged * large).sum(), (small * enlarging_adjoint(large, (5, 6))).sum()
    torch.testing.assert_close(there, back, rtol=1e-4, atol=1e-4)
