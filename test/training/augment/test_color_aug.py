"""ColorAug: parts recoloured apart in what the network sees, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sds_perception.labels import MOVABLE, TRAIN_ID
from sds_training.augment.color_aug import (
    ColorAugConfig,
    ColorAugPlan,
    apply_background_jitter,
    apply_color_aug,
    dilate,
    draw_color_aug,
    ground_mask,
)
from sds_training.augment.objects import movable_mask
from sds_training.augment.photometric import (
    LUMINANCE,
    JitterConfig,
    apply_jitter,
)
from sds_training.config_error import ConfigError

ALWAYS = ColorAugConfig(probability=1.0, start_step=0)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def image(batch: int = 2) -> torch.Tensor:
    return 0.3 + 0.3 * torch.rand(batch, 3, 16, 24, generator=generator(1))


def drawn(config: ColorAugConfig = ALWAYS, batch: int = 2, step: int = 0) -> ColorAugPlan:
    return draw_color_aug(batch, config, generator(), step=step)


def box_mask() -> torch.Tensor:
    mask = torch.zeros(2, 1, 16, 24, dtype=torch.bool)
    mask[:, :, 5:9, 8:14] = True
    return mask


def test_an_empty_mask_gives_the_global_jitter() -> None:
    plan = drawn()
    nothing = torch.zeros(2, 1, 16, 24, dtype=torch.bool)
    assert torch.equal(
        apply_color_aug(image(), nothing, plan), apply_jitter(image(), plan.background)
    )


def test_inside_and_outside_the_grown_mask_each_jitter_rules_alone() -> None:
    plan = drawn()
    changed = apply_color_aug(image(), box_mask(), plan)
    inside = torch.zeros_like(box_mask())
    inside[:, :, 3:11, 6:16] = True  # the box, two pixels larger on every side
    wanted = torch.where(
        inside, apply_jitter(image(), plan.foreground), apply_jitter(image(), plan.background)
    )
    assert torch.equal(changed, wanted)


def test_the_clean_frames_are_untouched_bit_for_bit() -> None:
    clean = image()
    apply_color_aug(clean, box_mask(), drawn())
    apply_background_jitter(clean[:, None], drawn())
    assert torch.equal(clean, image())


def test_mean_luminances_differ_by_a_tenth_at_least() -> None:
    plan = drawn(batch=500)
    picture = image(1).expand(500, -1, -1, -1)
    means = [
        (apply_jitter(picture, each).mean(dim=(2, 3)) @ torch.tensor(LUMINANCE))
        for each in (plan.foreground, plan.background)
    ]
    ratio = torch.maximum(means[0] / means[1], means[1] / means[0])
    assert ratio.min() >= 1.1 - 1e-4
    assert (means[0] > means[1]).float().mean() > 0.3  # lighter and darker both happen
    assert (means[0] < means[1]).float().mean() > 0.3


def test_all_parts_of_a_picture_have_the_gamma_of_its_one_camera() -> None:
    config = replace(ALWAYS, jitter=JitterConfig(gamma=0.7), groups='ground')
    plan = drawn(config, batch=50)
    assert plan.ground is not None and bool((plan.background.gamma != 1).all())
    for part in (plan.foreground, plan.ground):
        assert torch.equal(part.gamma, plan.background.gamma)


def test_factors_stay_within_the_config_although_they_must_differ() -> None:
    plan = drawn(batch=500)
    for each in (plan.foreground, plan.background):
        assert each.brightness.min() >= 0.8 - 1e-6 and each.brightness.max() <= 1.2 + 1e-6


def test_pictures_that_are_not_active_get_one_jitter_all_over() -> None:
    plan = drawn(ColorAugConfig(start_step=0), batch=400)
    assert 0.4 < plan.active.float().mean() < 0.6
    rest = ~plan.active
    for name in ('brightness', 'contrast', 'saturation', 'hue'):
        one, other = getattr(plan.foreground, name), getattr(plan.background, name)
        assert torch.equal(one[rest], other[rest]) and not torch.equal(one, other)
    jittered = (plan.background.brightness != 1)[rest]
    assert 0.35 < jittered.float().mean() < 0.65


def test_both_parts_of_a_picture_recoloured_apart_are_recoloured() -> None:
    plan = drawn(replace(ALWAYS, global_probability=0.0), batch=8)
    for jitter in (plan.foreground, plan.background):
        assert bool((jitter.contrast != 1).all()) and bool((jitter.hue != 0).all())
    assert not torch.equal(plan.foreground.contrast, plan.background.contrast)


def test_pictures_whose_labels_are_asked_for_stay_whole() -> None:
    plan = draw_color_aug(3, ALWAYS, generator(), step=0, whole=2)
    assert plan.active.tolist() == [False, False, True]
    pictures, box = image(3), box_mask()[:1].expand(3, -1, -1, -1)
    changed = apply_color_aug(pictures, box, plan)
    assert torch.equal(changed[:2], apply_jitter(pictures, plan.background)[:2])


@pytest.mark.parametrize('name', ['probability', 'global_probability'])
def test_what_is_no_probability_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f'color_aug.{name} is 7, wanted'):
        ColorAugConfig(**{name: 7})


def test_before_its_first_step_nothing_is_recoloured_apart() -> None:
    config = ColorAugConfig(probability=1.0, start_step=100)
    assert not drawn(config, step=99).active.any()
    assert drawn(config, step=100).active.all()


def test_neighbours_get_the_backgrounds_jitter() -> None:
    plan = drawn()
    frames = torch.stack((image(), image().flip(-1)), dim=1)
    changed = apply_background_jitter(frames, plan)
    for place in range(2):
        assert torch.equal(changed[:, place], apply_jitter(frames[:, place], plan.background))


def test_the_variant_recolours_the_ground_apart_too() -> None:
    plan = drawn(ColorAugConfig(probability=1.0, start_step=0, groups='ground'))
    ground = torch.zeros_like(box_mask())
    ground[:, :, 12:] = True
    changed = apply_color_aug(image(), box_mask(), plan, ground)
    assert torch.equal(changed[:, :, 12:], apply_jitter(image(), plan.ground)[:, :, 12:])
    assert torch.equal(changed[:, :, :3], apply_jitter(image(), plan.background)[:, :, :3])
    with pytest.raises(ValueError, match='ground mask'):
        apply_color_aug(image(), box_mask(), plan)


def test_masks_hold_the_classes_they_are_named_after() -> None:
    label = torch.cat((torch.arange(19), torch.tensor([255]))).view(1, 4, 5)
    assert label[movable_mask(label)[:, 0]].tolist() == list(MOVABLE)
    assert label[ground_mask(label)[:, 0]].tolist() == [TRAIN_ID['road'], TRAIN_ID['sidewalk']]


def test_growing_by_nothing_returns_the_mask() -> None:
    assert torch.equal(dilate(box_mask(), 0), box_mask())


def test_a_rule_that_brightness_cannot_keep_is_refused() -> None:
    with pytest.raises(ConfigError, match='^color_aug.luminance_ratio is 1.1'):
        ColorAugConfig(jitter=JitterConfig(brightness=0.05))
