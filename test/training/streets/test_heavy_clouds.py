"""Laws of heavy clouds: dark where thick, dim below at dusk, and never burnt out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sds_training.streets.drive import draw_drive
from sds_training.streets.light import draw_light, with_heavy_clouds
from sds_training.streets.style import PLAIN


def upward(count: int = 4000) -> np.ndarray:
    rays = np.random.default_rng(0).normal(size=(3, count))
    rays[2] = np.abs(rays[2]) + 0.3
    return (rays / np.linalg.norm(rays, axis=0)).astype(np.float32)


def test_heavy_clouds_only_darken_the_sky_and_leave_some_of_it_as_it_was() -> None:
    heavy = with_heavy_clouds(draw_light(np.random.default_rng(1)), np.random.default_rng(2))
    dark, even = (each.sky(upward()) for each in (heavy, replace(heavy, cloud_shade=0.0)))
    assert (dark <= even + 1e-6).all()
    ratio = (dark / even).mean(axis=0)
    assert ratio.min() < 0.7 and ratio.max() > 0.97


def test_at_dusk_the_street_is_dimmer_and_its_sky_is_not() -> None:
    light, up = draw_light(np.random.default_rng(1)), np.array([[0], [0], [1]], np.float32)
    drawn = [with_heavy_clouds(light, np.random.default_rng(seed)) for seed in range(40)]
    shares = [float((each.from_around(up) / light.from_around(up)).mean()) for each in drawn]
    assert 8 < sum(share < 0.7 for share in shares) < 32
    assert all(np.array_equal(each.zenith, light.zenith) for each in drawn)


def test_a_camera_spares_heavy_clouds_and_may_burn_others_out() -> None:
    heavy = PLAIN._replace(heavy_clouds=1.0)
    brightest = {
        style: [
            float(np.quantile(draw_drive(3, number, 128, 64, style=style).render(0).image, 0.95))
            for number in range(6)
        ]
        for style in (heavy, PLAIN)
    }
    assert max(brightest[heavy]) < 240 < max(brightest[PLAIN])
