"""Laws of poorer cameras: nothing moves, less is sharp, and grain is worst in the dark."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sds_training.augment.poor_camera import PoorCameraConfig, as_by_poorer_cameras
from sds_training.config import TrainingConfig
from sds_training.config_error import ConfigError

ALWAYS = PoorCameraConfig(probability=1.0)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def picture(level: float, batch: int = 16) -> torch.Tensor:
    return torch.full((batch, 3, 32, 64), level)


def test_without_a_probability_nothing_changes_and_nothing_is_drawn() -> None:
    image, drawn = picture(0.5), generator()
    assert as_by_poorer_cameras(image, PoorCameraConfig(), drawn) is image
    assert torch.equal(torch.rand(1, generator=drawn), torch.rand(1, generator=generator()))


def test_so_many_pictures_are_made_poorer_and_the_same_for_the_same_seed() -> None:
    image, half = (
        torch.rand(200, 3, 8, 16, generator=generator(1)),
        replace(ALWAYS, probability=0.5),
    )
    one, other = (as_by_poorer_cameras(image, half, generator()) for _ in range(2))
    assert torch.equal(one, other)
    assert 70 < int((one != image).flatten(1).any(1).sum()) < 130


def test_an_edge_stays_where_it_is_and_is_less_sharp() -> None:
    image = picture(0.2)
    image[..., 32:] = 0.8
    seen = as_by_poorer_cameras(image, replace(ALWAYS, grain=0.0), generator())
    rise = (seen[..., 1:] - seen[..., :-1]).mean(dim=(1, 2))
    assert torch.allclose(rise.sum(1), torch.tensor(0.6), atol=0.01)
    places = torch.arange(63) + 0.5
    middle = (rise * places).sum(1) / rise.sum(1)
    assert (middle - 31.5).abs().max() < 1.3  # pixels: half of the coarsest
    assert rise.amax(1).mean() < 0.5


def test_grain_is_strongest_in_the_dark_and_alike_in_part_in_all_colours() -> None:
    config = replace(ALWAYS, coarsest=1.0)
    dark, bright = (
        as_by_poorer_cameras(picture(each), config, generator()) - each for each in (0.3, 0.7)
    )
    assert torch.allclose(dark.std() / bright.std(), torch.tensor(1.3 / 0.9), rtol=0.05)
    red, green = dark[:, 0].flatten(), dark[:, 1].flatten()
    assert torch.corrcoef(torch.stack((red, green)))[0, 1].item() == pytest.approx(0.5, abs=0.05)


def test_a_row_loses_more_pixels_than_a_column() -> None:
    noise = torch.rand(64, 3, 32, 64, generator=generator(1))
    seen = as_by_poorer_cameras(noise, replace(ALWAYS, grain=0.0), generator())
    along, down = (seen.diff(dim=axis).abs().mean() for axis in (3, 2))
    assert along < 0.9 * down


def test_a_slope_stays_where_it_is_in_the_whole_picture() -> None:
    slope = torch.linspace(0, 1, 64).expand(64, 3, 32, 64)
    seen = as_by_poorer_cameras(slope, replace(ALWAYS, grain=0.0), generator())
    moved = 63 * (seen - slope)[..., 4:-4].mean(dim=(0, 1, 2))  # pixels
    assert moved.abs().amax() < 0.1


def test_the_greatest_grain_is_as_told_and_most_get_far_less() -> None:
    config, grey = replace(ALWAYS, coarsest=1.0), picture(0.6, batch=200)
    deviation = as_by_poorer_cameras(grey, config, generator()).flatten(1).std(dim=1)
    assert deviation.amax().item() == pytest.approx(config.grain, rel=0.05)
    assert deviation.median() < 0.35 * config.grain


@pytest.mark.parametrize('level', [0.0, 1.0])
def test_grain_leads_to_no_intensity_that_a_picture_cannot_have(level: float) -> None:
    seen = as_by_poorer_cameras(picture(level), ALWAYS, generator())
    assert seen.amin() >= 0 and seen.amax() <= 1 and seen.std() > 0


@pytest.mark.parametrize(
    ('values', 'told'),
    [
        ({'probability': 1.5}, r'poor_camera.probability is 1.5, wanted \[0, 1\]'),
        ({'coarsest': 0.5}, r'poor_camera.coarsest is 0.5, wanted \[1, 8\]'),
        ({'grain': -0.1}, r'poor_camera.grain is -0.1, wanted \[0, 1\]'),
    ],
)
def test_what_no_camera_does_is_refused(values: dict[str, float], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        PoorCameraConfig(**values)


def test_depth_alone_has_no_poorer_cameras() -> None:
    with pytest.raises(ConfigError, match='poor_camera.probability is 1.0, wanted 0 where stage'):
        TrainingConfig('run', stage='depth', poor_camera=ALWAYS)
