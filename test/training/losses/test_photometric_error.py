"""The photometric error, its hand-written gradient, and the choice of the best source."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from sds_training.losses.photometric import box_mean, moments_of, photometric_error
from sds_training.losses.reprojection import identity_error, minimum_reprojection

UNLIKE = torch.ones(1, 1, 16, 16)  # error of unwarped sources that explain nothing


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def by_definition(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """method.md 1.4 word by word."""
    mean = lambda x: F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode='reflect'), 3, 1)  # noqa: E731
    ma, mb = mean(a), mean(b)
    va, vb, cab = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    c1, c2 = 0.01**2, 0.03**2
    ssim = (2 * ma * mb + c1) * (2 * cab + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    unlike = ((1 - ssim) / 2).clamp(0, 1).mean(1, keepdim=True)
    return 0.85 * unlike + 0.15 * (a - b).abs().mean(1, keepdim=True)


def error_of(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return photometric_error(a, moments_of(b))


def test_the_error_is_the_formula() -> None:
    a, b = noise(2, 3, 12, 17), noise(2, 3, 12, 17, seed=1)
    torch.testing.assert_close(error_of(a, b), by_definition(a, b), rtol=0, atol=1e-5)


def test_the_gradient_written_by_hand_is_the_formulas() -> None:
    a = noise(1, 2, 5, 6, dtype=torch.float64).requires_grad_()
    b = noise(1, 2, 5, 6, seed=1, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda a: error_of(a, b), (a,))


def test_equal_pictures_have_no_error_and_no_gradient() -> None:
    a = noise(1, 3, 8, 8).requires_grad_()
    error = error_of(a, a.detach())
    torch.testing.assert_close(error, torch.zeros_like(error), rtol=0, atol=1e-6)
    error.sum().backward()
    torch.testing.assert_close(a.grad, torch.zeros_like(a), rtol=0, atol=1e-3)


def test_the_window_mean_of_a_constant_is_the_constant_up_to_the_border() -> None:
    torch.testing.assert_close(
        box_mean(torch.full((1, 1, 4, 5), 0.3)), torch.full((1, 1, 4, 5), 0.3)
    )


def test_a_thing_hidden_in_one_source_is_judged_by_the_other() -> None:
    target = noise(1, 3, 16, 16)
    hidden = target.clone()
    hidden[..., 4:12, 4:12] = noise(1, 3, 8, 8, seed=5)
    views = torch.stack((hidden, target), dim=1)
    assert minimum_reprojection(views, moments_of(target), UNLIKE).max() < 1e-6
    alone = minimum_reprojection(views[:, :1], moments_of(target), UNLIKE)
    assert alone[..., 5:11, 5:11].min() > 1e-2


def test_a_pair_of_equal_frames_teaches_no_depth() -> None:
    target = noise(1, 3, 16, 16)
    sources, moments = target[:, None].expand(1, 2, 3, 16, 16), moments_of(target)
    identity = identity_error(sources, moments, torch.Generator().manual_seed(0))
    moved = sources.roll(1, dims=-1).clone().requires_grad_()  # what a wrong motion would make
    found = minimum_reprojection(moved, moments, identity)
    found.sum().backward()
    assert not moved.grad.any()


def test_a_moving_camera_is_not_masked_where_warping_explains_the_picture() -> None:
    target = noise(1, 3, 16, 16)
    sources, moments = target[:, None].roll(2, dims=-1), moments_of(target)
    identity = identity_error(sources, moments, torch.Generator().manual_seed(0))
    assert torch.equal(
        minimum_reprojection(target[:, None], moments, identity),
        minimum_reprojection(target[:, None], moments, UNLIKE),
    )


def test_the_tie_breaking_noise_is_as_small_as_stated_and_repeatable() -> None:
    target = noise(1, 3, 64, 64)
    first, again = (
        identity_error(target[:, None], moments_of(target), torch.Generator().manual_seed(3))
        for _ in range(2)
    )
    assert torch.equal(first, again)
    assert 0.9e-5 < first.std() < 1.1e-5


def test_one_unwarped_source_that_fits_is_enough_to_mask_a_pixel() -> None:
    target = noise(1, 3, 16, 16)
    identity = torch.cat((UNLIKE, 0 * UNLIKE), dim=1)
    views = noise(1, 2, 3, 16, 16, seed=1)
    assert not minimum_reprojection(views, moments_of(target), identity).any()
