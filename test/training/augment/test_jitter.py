"""Colour jitter, blur and the strong transform."""

from __future__ import annotations

import pytest
import torch

from sds_training.augment.color_aug import ColorAugConfig
from sds_training.augment.photometric import (
    LUMINANCE,
    JitterConfig,
    JitterPlan,
    StrongConfig,
    apply_jitter,
    apply_strong,
    draw_jitter,
    draw_strong,
    gaussian_blur,
)
from sds_training.config_error import ConfigError


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def image(batch: int = 2) -> torch.Tensor:
    return 0.3 + 0.3 * torch.rand(batch, 3, 12, 16, generator=generator(1))


def jitter(**factors: float) -> JitterPlan:
    nothing = {'brightness': 1.0, 'contrast': 1.0, 'saturation': 1.0, 'hue': 0.0, 'gamma': 1.0}
    parts = nothing | factors
    return JitterPlan(**{name: torch.full((2,), value) for name, value in parts.items()})


def luminance(picture: torch.Tensor) -> torch.Tensor:
    return torch.einsum('bchw,c->bhw', picture, torch.tensor(LUMINANCE))


def test_a_jitter_of_ones_changes_nothing() -> None:
    torch.testing.assert_close(apply_jitter(image(), jitter()), image(), rtol=0, atol=1e-6)


def test_brightness_multiplies() -> None:
    torch.testing.assert_close(apply_jitter(image(), jitter(brightness=1.2)), 1.2 * image())


def test_contrast_keeps_the_mean_luminance_and_scales_the_rest() -> None:
    changed = apply_jitter(image(), jitter(contrast=0.5))
    mean = luminance(image()).mean(dim=(1, 2)).view(-1, 1, 1, 1)
    torch.testing.assert_close(changed, mean + 0.5 * (image() - mean))


def test_without_saturation_every_pixel_is_its_own_grey() -> None:
    changed = apply_jitter(image(), jitter(saturation=0.0))
    wanted = luminance(image())[:, None].expand(-1, 3, -1, -1)
    torch.testing.assert_close(changed, wanted)


def test_hue_moves_colours_but_neither_greys_nor_luminance() -> None:
    grey = torch.full((2, 3, 4, 4), 0.4)
    torch.testing.assert_close(apply_jitter(grey, jitter(hue=0.2)), grey)
    changed = apply_jitter(image(), jitter(hue=0.1))
    torch.testing.assert_close(luminance(changed), luminance(image()))
    assert (changed - image()).abs().max() > 0.02


def test_a_third_of_a_turn_takes_red_to_green_and_back() -> None:
    red = torch.tensor([0.6, 0.4, 0.4]).view(1, 3, 1, 1).expand(2, 3, 2, 2)
    turned = apply_jitter(red, jitter(hue=1 / 3))
    assert turned[0, :, 0, 0].argmax() in (1, 2)
    torch.testing.assert_close(apply_jitter(turned, jitter(hue=-1 / 3)), red)


def test_gamma_darkens_what_is_between_and_leaves_black_and_white() -> None:
    steps = torch.tensor([0.0, 0.5, 1.0]).view(1, 1, 1, 3).expand(2, 3, 2, 3)
    changed = apply_jitter(steps, jitter(gamma=2.0))
    torch.testing.assert_close(changed, steps.square(), rtol=0, atol=1e-6)


def test_gamma_comes_before_all_else() -> None:
    changed = apply_jitter(image(), jitter(gamma=2.0, contrast=0.5))
    torch.testing.assert_close(changed, apply_jitter(image().square(), jitter(contrast=0.5)))


def test_results_stay_in_range() -> None:
    wild = apply_jitter(torch.rand(2, 3, 8, 8), jitter(brightness=2.0, contrast=2.0, hue=0.3))
    assert wild.min() >= 0 and wild.max() <= 1


def test_each_picture_has_its_own_jitter_as_often_as_asked() -> None:
    plan = draw_jitter(2000, JitterConfig(), 0.8, generator())
    changed = plan.brightness != 1
    assert abs(changed.float().mean() - 0.8) < 0.05
    assert torch.equal(changed, plan.hue != 0)
    assert plan.brightness.min() >= 0.8 and plan.brightness.max() <= 1.2
    assert plan.hue.abs().max() <= 0.1 and plan.brightness.unique().numel() > 1000


def test_gamma_is_drawn_as_far_to_dark_as_to_bright() -> None:
    plan = draw_jitter(4000, JitterConfig(gamma=1.2), 0.5, generator())
    drawn = plan.gamma[plan.gamma != 1].log()
    assert abs(len(drawn) / 4000 - 0.5) < 0.05
    assert drawn.abs().max() <= 1.2 and drawn.min() < -1.1 and drawn.max() > 1.1
    assert abs(drawn.mean()) < 0.05
    assert torch.equal(plan.gamma != 1, plan.brightness != 1)


def test_who_wants_no_gamma_gets_the_draws_of_before_there_was_one() -> None:
    one, other = generator(), generator()
    plan = draw_jitter(3, JitterConfig(), 1.0, one)
    torch.rand(3, 4, generator=other), torch.rand(3, generator=other)  # the factors, and who
    assert torch.equal(plan.gamma, torch.ones(3))
    assert torch.equal(one.get_state(), other.get_state())


def test_blur_keeps_constants_and_the_mean_of_the_inside() -> None:
    flat = torch.full((3, 9, 9), 0.4)
    torch.testing.assert_close(gaussian_blur(flat, 1.1), flat)
    spot = torch.zeros(1, 15, 15)
    spot[0, 7, 7] = 1
    blurred = gaussian_blur(spot, 1.0)
    torch.testing.assert_close(blurred.sum(), torch.tensor(1.0))
    offsets = torch.arange(15.0) - 7
    spread = (blurred.sum(dim=(0, 1)) * offsets.square()).sum()
    assert abs(spread - 1.0) < 0.03  # variance, less what the kernel's end cuts off


def test_the_strong_transform_is_repeatable_and_leaves_its_input() -> None:
    clean = image()
    plan = draw_strong(2, StrongConfig(), generator(3))
    assert torch.equal(apply_strong(clean, plan), apply_strong(clean, plan))
    assert torch.equal(clean, image())


def test_blur_is_drawn_as_often_and_as_wide_as_asked() -> None:
    sigma = draw_strong(2000, StrongConfig(), generator()).sigma_px
    drawn = sigma[sigma > 0]
    assert abs(len(drawn) / 2000 - 0.5) < 0.05
    assert drawn.min() >= 0.15 and drawn.max() <= 1.15


@pytest.mark.parametrize('share', [0.0, 1.0])
def test_blur_is_for_all_or_none_where_so_asked(share: float) -> None:
    sigma = draw_strong(50, StrongConfig(blur_probability=share), generator()).sigma_px
    assert bool(((sigma > 0) == bool(share)).all())


def test_impossible_colours_are_refused_by_the_name_that_a_training_file_gives_them() -> None:
    for config, group in ((StrongConfig, 'strong'), (ColorAugConfig, 'color_aug')):
        with pytest.raises(ConfigError, match=f'^{group}.jitter.hue is 0.7, wanted'):
            config(jitter=JitterConfig(hue=0.7))
        with pytest.raises(ConfigError, match=f'^{group}.jitter.gamma is 2.5, wanted'):
            config(jitter=JitterConfig(gamma=2.5))
    with pytest.raises(ConfigError, match='^strong.blur_sigma_px is'):
        StrongConfig(blur_sigma_px=(0.0, 1.0))
