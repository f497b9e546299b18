"""The road under a camera of known height says what depth is worth."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from sds_perception.camera import Camera
from sds_perception.labels import ROAD, SKY, TRAIN_ID
from sds_perception.metric_scale import (
    CameraHeightScale,
    FirstKnown,
    FixedScale,
    ReleaseScale,
    apply,
    in_metres,
)
from sds_perception.scene import Scene

H, W = 96, 160
CAMERA = Camera(110.0, 110.0, 79.5, 44.0, W, H)
HEIGHT_M = 1.65


def street(
    *,
    pitch_deg: float = 0.0,
    roll_deg: float = 0.0,
    unit_m: float = 1.0,
    camera: Camera = CAMERA,
    half_width_m: float = 6.0,
) -> Scene:
    """An endless flat road seen from `HEIGHT_M`, its depth in units of `unit_m`."""
    pitch, roll = np.radians(pitch_deg), np.radians(roll_deg)
    down = np.array([np.sin(roll), np.cos(roll) * np.cos(pitch), np.sin(pitch)])
    descent = camera.rays().astype(np.float64) @ (down / np.linalg.norm(down))
    with np.errstate(divide='ignore', invalid='ignore'):
        z = np.where(descent > 0, HEIGHT_M / descent, np.nan)
    sideways = np.abs(camera.rays()[..., 0] * z)
    labels = np.where(sideways < half_width_m, ROAD, TRAIN_ID['terrain']).astype(np.uint8)
    labels[np.isnan(z)] = SKY
    depth = (z / unit_m).astype(np.float32)
    confidence = np.full(labels.shape, 255, np.uint8)
    return Scene(labels, depth, confidence, 'relative', camera)


def with_road_depth(scene: Scene, depth: np.ndarray) -> Scene:
    return Scene(scene.labels, depth.astype(np.float32), scene.confidence, 'relative', CAMERA)


def without_labels_of_road(scene: Scene) -> Scene:
    return replace(scene, labels=np.full_like(scene.labels, TRAIN_ID['building']))


def without_road(scene: Scene) -> Scene:
    labels = np.full_like(scene.labels, TRAIN_ID['building'])
    return Scene(labels, scene.depth, scene.confidence, 'relative', CAMERA)


def factor_of(scene: Scene) -> float:
    estimate = CameraHeightScale(HEIGHT_M).update(scene)
    assert estimate is not None
    return estimate.factor


@pytest.mark.parametrize('roll_deg', [0.0, 3.0])
@pytest.mark.parametrize('pitch_deg', [-8.0, -2.0, 0.0, 5.0, 12.0])
def test_an_exact_road_gives_the_exact_scale_however_the_camera_is_tilted(
    pitch_deg, roll_deg
) -> None:
    scene = street(pitch_deg=pitch_deg, roll_deg=roll_deg, unit_m=7.0)
    assert factor_of(scene) == pytest.approx(7.0, rel=1e-5)


@pytest.mark.parametrize('k', [0.01, 0.5, 30.0])
def test_scaling_the_depth_by_k_scales_the_factor_by_one_over_k(k) -> None:
    scene = street(pitch_deg=2.0)
    noise = np.random.default_rng(0).lognormal(0, 0.1, (H, W))
    noisy = with_road_depth(scene, scene.depth * noise)
    scaled = with_road_depth(scene, noisy.depth * np.float32(k))
    assert factor_of(scaled) * k == pytest.approx(factor_of(noisy), rel=1e-4)


@pytest.mark.parametrize('seed', range(5))
def test_a_fifth_of_kerbs_and_cars_called_road_costs_under_two_percent(seed) -> None:
    rng = np.random.default_rng(seed)
    scene = street(pitch_deg=1.0, unit_m=4.0)
    depth = scene.depth * rng.lognormal(0, 0.03, (H, W))
    left = np.arange(W) < 0.2 * W
    kerb = np.broadcast_to(left, (H, W)) & (rng.random((H, W)) < 0.5)
    depth[kerb] *= 1 - 0.15 / HEIGHT_M  # 15 cm above the road
    car = np.s_[56:80, 100:130]
    depth[car] = depth[80, 100:130].mean()  # an upright back, nearer than the road behind
    share = (kerb.sum() + 24 * 30) / (scene.labels == ROAD).sum()
    assert 0.19 < share < 0.35
    assert factor_of(with_road_depth(scene, depth)) == pytest.approx(4.0, rel=0.02)


def test_noise_alone_does_not_bias_the_scale() -> None:
    scene = street(unit_m=3.0)
    factors = [
        factor_of(with_road_depth(scene, scene.depth * rng.lognormal(0, 0.1, (H, W))))
        for rng in map(np.random.default_rng, range(10))
    ]
    assert np.exp(np.mean(np.log(factors))) == pytest.approx(3.0, rel=0.01)


def test_too_little_road_holds_the_scale_and_ages_it() -> None:
    scale = CameraHeightScale(HEIGHT_M, half_life_frames=2)
    seen = scale.update(street(unit_m=5.0))
    held = [scale.update(without_road(street())) for _ in range(4)]
    assert (seen.status, seen.age_frames) == ('measured', 0)
    assert [each.status for each in held] == ['held'] * 4
    assert [each.age_frames for each in held] == [1, 2, 3, 4]
    assert all(each.factor == seen.factor for each in held)
    assert held[1].quality == pytest.approx(seen.quality / 2)
    assert scale.update(street(unit_m=5.0)).age_frames == 0
    assert scale.update(without_road(street())).age_frames == 1


def test_before_the_first_road_and_after_a_reset_nothing_is_known() -> None:
    scale = CameraHeightScale(HEIGHT_M)
    assert scale.update(without_road(street())) is None
    scale.update(street())
    scale.reset()
    assert scale.update(without_road(street())) is None


def test_a_scene_without_camera_measures_nothing() -> None:
    scene = street()
    blind = Scene(scene.labels, scene.depth, scene.confidence, 'relative')
    assert CameraHeightScale(HEIGHT_M).update(blind) is None


def test_another_camera_looks_along_its_own_rays() -> None:
    scale = CameraHeightScale(HEIGHT_M, window_frames=1)
    for camera in (CAMERA, Camera(220.0, 220.0, 79.5, 44.0, W, H), CAMERA):
        assert scale.update(street(unit_m=3.0, camera=camera)).factor == pytest.approx(3, rel=1e-5)


def test_one_bad_frame_moves_nothing_and_a_new_scale_is_believed() -> None:
    scale = CameraHeightScale(HEIGHT_M, window_frames=5)
    for _ in range(5):
        before = scale.update(street(unit_m=2.0)).factor
    assert scale.update(street(unit_m=9.0)).factor == pytest.approx(before)
    for _ in range(2):
        after = scale.update(street(unit_m=9.0)).factor
    assert after == pytest.approx(9.0, rel=1e-5)


def test_one_bad_frame_moves_nothing_where_nobody_says_how_many_are_kept() -> None:
    scale = CameraHeightScale(HEIGHT_M)
    factors = [scale.update(street(unit_m=each)).factor for each in (2.0, 2.0, 9.0)]
    assert factors == pytest.approx([2.0] * 3, rel=1e-5)


def test_a_wall_called_road_is_not_believed() -> None:
    scene = street()
    wall = with_road_depth(scene, np.full((H, W), 8.0))
    assert CameraHeightScale(HEIGHT_M).update(wall) is None


def test_rubbish_depth_is_not_believed() -> None:
    scene = street()
    rubbish = np.random.default_rng(0).uniform(0.1, 100, (H, W))
    assert CameraHeightScale(HEIGHT_M).update(with_road_depth(scene, rubbish)) is None


@pytest.mark.parametrize('unknown', [0.0, -1.0, np.inf, np.nan])
def test_road_whose_depth_is_not_known_is_left_out(unknown) -> None:
    scene = street(unit_m=4.0)
    depth = scene.depth.copy()
    depth[60:80, 60:100] = unknown
    assert factor_of(with_road_depth(scene, depth)) == pytest.approx(4.0, rel=1e-5)


@pytest.mark.parametrize('wrong', [0.5, 2.0])
def test_two_fifths_of_wrong_depth_cost_quality_and_nothing_else(wrong) -> None:
    scene = street(unit_m=4.0)
    off = np.random.default_rng(0).random((H, W)) < 0.4
    mixed = with_road_depth(scene, scene.depth * np.where(off, wrong, 1.0))
    estimate = CameraHeightScale(HEIGHT_M).update(mixed)
    assert estimate.factor == pytest.approx(4.0, rel=1e-5)
    assert estimate.quality == pytest.approx(0.6, abs=0.05)


def test_a_camera_that_looks_down_a_little_is_hardly_less_believed() -> None:
    seen = (street(pitch_deg=each) for each in (0.0, 5.0, 12.0))
    quality = [CameraHeightScale(HEIGHT_M).update(each).quality for each in seen]
    assert quality == pytest.approx([1.0, 0.96, 0.77], abs=0.01)


def test_road_far_ahead_has_no_say() -> None:
    scene = street()
    bent = with_road_depth(scene, scene.depth * np.where(scene.depth > 28, 1.5, 1.0))
    assert CameraHeightScale(HEIGHT_M).update(bent) == CameraHeightScale(HEIGHT_M).update(scene)


def test_a_picture_cut_off_below_the_horizon_is_road_from_its_first_row_on() -> None:
    camera = Camera(110.0, 110.0, 79.5, -8.0, W, H)
    assert factor_of(street(unit_m=3.0, camera=camera)) == pytest.approx(3.0, rel=1e-5)


def test_a_strip_of_road_too_thin_to_span_a_plane_is_not_believed() -> None:
    camera = Camera.guess(1280, 720)
    scene = street(camera=camera)
    labels = np.full_like(scene.labels, TRAIN_ID['building'])
    labels[600:606] = ROAD
    thin = Scene(labels, scene.depth, scene.confidence, 'relative', camera)
    assert CameraHeightScale(HEIGHT_M).update(thin) is None


def test_better_roads_have_better_quality() -> None:
    clean, narrow = street(), street(half_width_m=0.5)
    rng = np.random.default_rng(0)
    noisy = with_road_depth(clean, clean.depth * rng.lognormal(0, 0.15, (H, W)))
    quality = [
        CameraHeightScale(HEIGHT_M, min_quality=0.0).update(each).quality
        for each in (clean, noisy, narrow)
    ]
    assert quality[0] > 0.95
    assert max(quality[1:]) < quality[0]
    assert all(0 <= each <= 1 for each in quality)


def test_the_same_frames_give_the_same_numbers() -> None:
    noisy = street().depth * np.random.default_rng(1).lognormal(0, 0.1, (H, W))
    scene = with_road_depth(street(), noisy)
    assert CameraHeightScale(1.5).update(scene) == CameraHeightScale(1.5).update(scene)


def test_applying_an_estimate_makes_metres_and_keeps_the_unknown() -> None:
    scene = street(unit_m=5.0)
    metric = apply(scene, CameraHeightScale(HEIGHT_M).update(scene))
    assert metric.depth_kind == 'metric'
    np.testing.assert_allclose(metric.depth, street().depth, rtol=1e-4)
    assert metric.labels is scene.labels


def test_without_an_estimate_depth_stays_relative() -> None:
    scene = street()
    assert in_metres(scene, ReleaseScale().update(scene)) is scene


def test_metric_releases_are_taken_at_their_word() -> None:
    scene = street()
    metric = Scene(scene.labels, scene.depth, scene.confidence, 'metric', CAMERA)
    estimate = ReleaseScale().update(metric)
    assert (estimate.factor, estimate.source, estimate.status) == (1.0, 'release', 'measured')
    assert apply(metric, estimate) is metric


def test_a_fixed_factor_is_applied_as_given() -> None:
    scene = street(unit_m=5.0)
    fixed = apply(scene, FixedScale(5.0).update(scene))
    np.testing.assert_allclose(fixed.depth, street().depth, rtol=1e-6)


def test_a_factor_of_one_makes_metres_too() -> None:
    scene = street()
    assert apply(scene, FixedScale(1.0).update(scene)).depth_kind == 'metric'


def test_a_fixed_factor_makes_the_same_metres_whether_the_lens_is_known_or_not() -> None:
    unknown = street(unit_m=5.0)
    known = replace(unknown, depth=2 * unknown.depth, depth_kind='metric', lens_ratio=2.0)
    scale = FixedScale(5.0)
    one, other = (apply(each, scale.update(each)).depth for each in (unknown, known))
    np.testing.assert_allclose(one, other, rtol=1e-6)


def test_another_lens_starts_the_height_scale_anew_and_a_resize_does_not() -> None:
    scale = CameraHeightScale(HEIGHT_M)
    for _ in range(3):
        scale.update(street(unit_m=5.0))
    half = street(unit_m=5.0, camera=CAMERA.resized(W // 2, H // 2))
    assert scale.update(without_labels_of_road(half)).factor == pytest.approx(5.0, rel=1e-2)
    zoomed = Camera(220.0, 220.0, 79.5, 44.0, W, H)
    assert scale.update(street(unit_m=9.0, camera=zoomed)).factor == pytest.approx(9.0, rel=1e-2)


def test_of_several_sources_the_first_that_knows_wins() -> None:
    scene = street(unit_m=5.0)
    scales = FirstKnown([ReleaseScale(), CameraHeightScale(HEIGHT_M), FixedScale(9.0)])
    assert scales.update(scene).source == 'camera_height'
    scales.reset()
    assert scales.update(without_road(scene)).source == 'fixed'
    assert FirstKnown([ReleaseScale()]).update(scene) is None


def test_a_height_held_for_long_gives_way_to_a_source_that_knows_better() -> None:
    held = CameraHeightScale(HEIGHT_M, half_life_frames=1)
    scales, alone = FirstKnown([held, FixedScale(9.0)]), CameraHeightScale(HEIGHT_M)
    assert scales.update(street(unit_m=5.0)).source == 'camera_height'
    seen = [scales.update(without_road(street())).source for _ in range(10)]
    assert seen[0] == 'camera_height' and seen[-1] == 'fixed'
    assert scales.update(street(unit_m=5.0)).source == 'camera_height'
    alone.half_life_frames = 1
    only = FirstKnown([alone])
    only.update(street(unit_m=5.0))
    for _ in range(10):  # nobody knows better: held, and its quality says how far to believe it
        last = only.update(without_road(street()))
    assert last.status == 'held' and last.quality < 0.01


def test_metres_beyond_the_range_are_unknown_and_relative_depth_has_no_range() -> None:
    scene = street(unit_m=5.0)
    metric = in_metres(scene, FixedScale(5.0).update(scene), max_depth_m=20.0)
    true = street().depth
    np.testing.assert_array_equal(np.isnan(metric.depth), np.isnan(true) | (true > 20.0))
    assert in_metres(scene, None, max_depth_m=20.0) is scene


def test_metric_depth_nobody_vouches_for_is_called_relative() -> None:
    scene = street()
    metric = Scene(scene.labels, scene.depth, scene.confidence, 'metric', CAMERA)
    assert in_metres(metric, None).depth_kind == 'relative'


@pytest.mark.parametrize('value', [0.0, -1.0, np.nan, np.inf])
def test_heights_and_factors_that_cannot_be_are_refused(value) -> None:
    with pytest.raises(ValueError, match='must be positive'):
        CameraHeightScale(value)
    with pytest.raises(ValueError, match='must be positive'):
        FixedScale(value)


def test_measuring_at_720p_is_a_matter_of_milliseconds() -> None:
    scene, scale = street(camera=Camera.guess(1280, 720)), CameraHeightScale(HEIGHT_M)
    scale.update(scene)  # makes the rays
    times = []
    for _ in range(20):  # one of them undisturbed
        began = time.perf_counter()
        assert scale.update(scene).status == 'measured'
        times.append(time.perf_counter() - began)
    assert min(times) < 0.02


def test_without_a_camera_the_height_tells_nothing_whatever_was_measured() -> None:
    scale, seen = CameraHeightScale(HEIGHT_M), street()
    assert scale.update(seen) is not None
    blind = Scene(seen.labels, seen.depth, seen.confidence, 'relative')
    assert scale.update(blind) is None
    assert scale.update(without_road(seen)).status == 'held'
