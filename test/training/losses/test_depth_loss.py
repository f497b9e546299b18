"""Depth learnt from neighbours: the whole of L_D on scenes whose answer is known."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from sds_perception.network import disparity_from_depth
from sds_training.geometry import invert_rigid, resized_intrinsics, rigid_transform, warp
from sds_training.losses.depth import DepthLoss, self_supervised_depth_loss
from sds_training.losses.smoothness import edge_aware_smoothness

RANGE = (0.5, 50.0)
SIZE = (32, 64)
INTRINSICS = torch.tensor([[[50.0, 0, 31.5], [0, 50.0, 15.5], [0, 0, 1]]])


def texture(seed: int = 0) -> torch.Tensor:
    """Smooth random colours: warping them is nearly exact."""
    coarse = torch.rand(1, 3, 8, 16, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(coarse, size=SIZE, mode='bicubic', align_corners=False).clamp(0, 1)


def sideways(distance: float) -> torch.Tensor:
    return rigid_transform(torch.zeros(1, 3), torch.tensor([[distance, 0.0, 0.0]]))


def constant(depth: float, scale: int = 0) -> torch.Tensor:
    value = disparity_from_depth(depth, RANGE)
    return torch.full((1, 1, SIZE[0] >> scale, SIZE[1] >> scale), value)


def wall_clip(depth: float = 5.0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A wall at `depth`, seen before and after the target: target, sources, motions."""
    target = texture()
    motions = torch.stack((sideways(-0.4), sideways(0.4)), dim=1)
    plane = torch.full((1, 1, *SIZE), depth)
    sources = [warp(target, plane, invert_rigid(motions[:, s]), INTRINSICS) for s in range(2)]
    return target, torch.stack(sources, dim=1), motions


def loss_of(depth: float, scales: int = 4) -> DepthLoss:
    target, sources, motions = wall_clip()
    disparities = tuple(constant(depth, scale).requires_grad_() for scale in range(scales))
    generator = torch.Generator().manual_seed(0)
    return self_supervised_depth_loss(
        disparities, target, sources, motions, INTRINSICS, RANGE, generator
    )


def uneven(scale: int) -> torch.Tensor:
    """(1, 1, h, w) sigmoid disparity that differs from pixel to pixel."""
    size = (1, 1, SIZE[0] >> scale, SIZE[1] >> scale)
    return 0.05 + 0.1 * torch.rand(size, generator=torch.Generator().manual_seed(scale))


def loss_by(compare: str, *disparities: torch.Tensor, reduced: int = 1) -> DepthLoss:
    """Of the wall; of pictures `reduced` times smaller."""
    target, sources, motions = wall_clip()
    size = (SIZE[0] // reduced, SIZE[1] // reduced)
    at = resized_intrinsics(INTRINSICS, SIZE, size)
    target, *sources = (
        F.interpolate(each, size=size, mode='area') for each in (target, *sources.unbind(dim=1))
    )
    generator = torch.Generator().manual_seed(0)
    return self_supervised_depth_loss(
        disparities, target, torch.stack(sources, 1), motions, at, RANGE, generator, compare
    )


def test_the_true_depth_explains_the_neighbours_best() -> None:
    errors = {depth: loss_of(depth).photometric.item() for depth in (3.5, 4.5, 5.0, 5.5, 7.0)}
    assert min(errors, key=errors.get) == 5.0
    assert errors[5.0] < 0.3 * errors[3.5]


def test_the_gradient_points_to_the_true_depth() -> None:
    target, sources, motions = wall_clip()
    for depth, sign in ((4.5, 1), (5.6, -1)):  # disparity too large, too small
        disparity = constant(depth).requires_grad_()
        found = self_supervised_depth_loss(
            (disparity,), target, sources, motions, INTRINSICS, RANGE, torch.Generator()
        )
        found.photometric.backward()
        assert sign * disparity.grad.sum() > 0


def test_scales_count_alike_in_the_photometric_term() -> None:
    torch.testing.assert_close(
        loss_of(6.0).photometric, loss_of(6.0, scales=1).photometric, rtol=1e-3, atol=1e-5
    )


def test_scales_are_compared_in_full_in_their_own_size_or_but_for_the_finest() -> None:
    scales = (1, 2)  # a network that ends at half size
    full = [loss_by('full', uneven(scale)).photometric for scale in scales]
    own = [loss_by('full', uneven(scale), reduced=1 << scale).photometric for scale in scales]
    wanted = {'full': full, 'own': own, 'finest': [full[0], own[1]]}
    assert all(abs(one - other) > 1e-3 for one, other in zip(full, own, strict=True))
    for compare, of_each in wanted.items():
        found = loss_by(compare, *map(uneven, scales)).photometric
        torch.testing.assert_close(found, sum(of_each) / 2, rtol=0, atol=2e-5)


def test_a_coarse_disparity_is_enlarged_bilinearly() -> None:
    coarse = uneven(2)
    large = F.interpolate(coarse, size=SIZE, mode='bilinear', align_corners=False)
    torch.testing.assert_close(
        loss_by('full', coarse).photometric, loss_by('full', large).photometric
    )


def test_the_loss_repeats_itself_with_the_same_generator() -> None:
    assert torch.equal(loss_of(4.0).photometric, loss_of(4.0).photometric)


def test_coarse_smoothness_counts_by_its_stride() -> None:
    target, sources, motions = wall_clip()
    slope = torch.linspace(0.1, 0.3, SIZE[1] // 4).expand(1, 1, SIZE[0] // 4, -1).contiguous()
    found = self_supervised_depth_loss(
        (slope,), target, sources, motions, INTRINSICS, RANGE, torch.Generator()
    )
    image = F.interpolate(target, scale_factor=0.25, mode='area')
    torch.testing.assert_close(found.smoothness, edge_aware_smoothness(slope, image) / 4)


def test_scales_count_alike_in_smoothness() -> None:
    fine, coarse = uneven(0), uneven(2)
    alone = [loss_by('full', each).smoothness for each in (fine, coarse)]
    torch.testing.assert_close(loss_by('full', fine, coarse).smoothness, sum(alone) / 2)


def test_a_constant_disparity_is_perfectly_smooth() -> None:
    assert edge_aware_smoothness(torch.full((1, 1, 8, 8), 0.3), texture()[..., :8, :8]) == 0


def test_smoothness_does_not_care_for_the_unit_of_disparity() -> None:
    disparity = 0.1 + torch.rand(2, 1, *SIZE, generator=torch.Generator().manual_seed(1))
    image = texture().expand(2, -1, -1, -1)
    torch.testing.assert_close(
        edge_aware_smoothness(disparity, image), edge_aware_smoothness(7 * disparity, image)
    )


def test_a_step_in_disparity_is_forgiven_where_the_picture_has_one() -> None:
    step = torch.ones(1, 1, 8, 8)
    step[..., 4:] = 2
    edge = (step - 1).expand(-1, 3, -1, -1)
    flat = torch.zeros_like(edge)
    assert edge_aware_smoothness(step, edge) < 0.5 * edge_aware_smoothness(step, flat)


def test_the_smoothness_of_a_batch_is_the_mean_of_its_pictures() -> None:
    disparity, image = torch.cat((uneven(0), 0.1 + 9 * uneven(0).flip(-1))), texture()
    alone = [edge_aware_smoothness(each[None], image) for each in disparity]
    both = edge_aware_smoothness(disparity, image.expand(2, -1, -1, -1))
    torch.testing.assert_close(both, sum(alone) / 2)


def test_an_edge_between_colours_of_one_grey_is_an_edge() -> None:
    step = torch.ones(1, 1, 8, 8)
    step[..., 4:] = 2
    flat = torch.full((1, 3, 8, 8), 0.5)
    edge = flat.clone()
    edge[:, 0, :, 4:], edge[:, 1, :, 4:] = 1.0, 0.0
    assert edge_aware_smoothness(step, edge) < 0.8 * edge_aware_smoothness(step, flat)
