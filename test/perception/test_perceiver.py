"""Frame in, Scene out: sizes, units, unknowns, and no frame that touches another."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
import torch

from sds_perception.camera import Camera
from sds_perception.labels import SKY
from sds_perception.network import depth_from_disparity
from sds_perception.perceiver import Perceiver
from sds_perception.release import Release, write_release
from sds_perception.scene import Scene

CUDA = pytest.param(
    'cuda',
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device'),
    ],
)


def frame(height: int = 90, width: int = 150, seed: int = 0) -> np.ndarray:
    """Smooth random colours: neighbouring pixels are alike, as in a photograph."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 10, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope='module')
def release(metric_release: Release) -> Release:
    """The metric release with sky seen in about a third of the picture."""
    weights = {name: tensor.clone() for name, tensor in metric_release.weights.items()}
    with torch.no_grad():
        image = torch.from_numpy(cv2.resize(frame(), (128, 64))).permute(2, 0, 1)[None] / 255
        logits = metric_release.network()(image).logits[0]
    behind = logits.amax(dim=0) - logits[SKY]
    weights['semantic_head.score.bias'][SKY] += behind.flatten().quantile(1 / 3)
    return replace(metric_release, weights=weights)


@pytest.fixture(scope='module')
def perceiver(release: Release) -> Perceiver:
    return Perceiver.from_release(release)


def view(height: int = 90, width: int = 150, zoom: float = 1.0) -> Camera:
    return Camera(90.0 * zoom, 95.0 * zoom, width / 2, height / 2, width, height)


def same(one: Scene, other: Scene) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name == 'depth')
        for name in ('labels', 'depth', 'confidence')
    )


@pytest.mark.parametrize(('output_size', 'size'), [
    ('camera', (90, 150)),
    ('network', (64, 128)),
    (0.5, (45, 75)),
    ('0.5', (45, 75)),
    (1.0, (90, 150)),
    (0.001, (1, 1)),
])  # fmt: skip
def test_a_scene_has_the_size_asked_for_and_so_has_its_camera(release, output_size, size):
    scene = Perceiver.from_release(release, output_size=output_size)(frame(), view())
    assert scene.size == scene.labels.shape == scene.depth.shape == scene.confidence.shape == size
    assert (scene.labels.dtype, scene.depth.dtype) == (np.uint8, np.float32)
    assert scene.confidence.dtype == np.uint8
    assert scene.camera == view().resized(size[1], size[0])


@pytest.mark.parametrize('size', [(1, 1), (3, 700), (64, 128), (480, 640)])
def test_frames_of_any_size_are_seen_at_their_own_size(perceiver, size):
    assert perceiver(frame(*size)).size == size


def test_depth_is_unknown_exactly_where_there_is_sky(perceiver):
    scene = perceiver(frame(), view())
    assert 0.1 < (scene.labels == SKY).mean() < 0.9
    np.testing.assert_array_equal(np.isnan(scene.depth), scene.labels == SKY)


def test_where_sizes_agree_the_scene_is_what_the_engine_said(release):
    """At the engine's own stride nothing is resampled: labels, confidence and depth are exact."""
    perceiver = Perceiver.from_release(release, output_size=0.25)
    rgb = frame(64, 128)
    scene, said = perceiver(rgb), perceiver.engine(rgb[None])
    np.testing.assert_array_equal(scene.labels, said.labels[0])
    np.testing.assert_array_equal(scene.confidence, said.confidence[0])
    depth = depth_from_disparity(said.disparity[0], release.network_config.depth_range)
    known = said.labels[0] != SKY
    np.testing.assert_allclose(scene.depth[known], release.depth_scale * depth[known], rtol=1e-5)


def test_a_lens_twice_as_long_makes_metric_depth_twice_as_far(perceiver):
    short, long = perceiver(frame(), view()), perceiver(frame(), view(zoom=2.0))
    assert short.depth_kind == long.depth_kind == 'metric'
    np.testing.assert_allclose(long.depth, 2 * short.depth, rtol=1e-6)


@pytest.mark.parametrize(('stretched', 'farther'), [('fx', 1.0), ('fy', 2.0)])
def test_metres_follow_the_vertical_focal_length_alone(perceiver, stretched, farther):
    lens = replace(view(), **{stretched: 2 * getattr(view(), stretched)})
    depth = perceiver(frame(), view()).depth
    np.testing.assert_allclose(perceiver(frame(), lens).depth, farther * depth, rtol=1e-6)


def test_with_the_training_camera_metric_depth_is_the_releases_own(release, perceiver, camera):
    rgb = frame(64, 128)
    np.testing.assert_allclose(perceiver(rgb, camera).depth, perceiver(rgb).depth, rtol=1e-6)


def test_resizing_frame_and_camera_together_keeps_the_metres(release):
    perceiver = Perceiver.from_release(release, output_size='network')
    rgb = np.full((64, 128, 3), 90, np.uint8)
    large = np.full((192, 384, 3), 90, np.uint8)
    small = perceiver(rgb, view(64, 128))
    np.testing.assert_allclose(
        perceiver(large, view(64, 128).resized(384, 192)).depth, small.depth, rtol=1e-5
    )


def test_without_a_camera_depth_is_relative(perceiver):
    scene = perceiver(frame())
    assert scene.depth_kind == 'relative'
    assert scene.camera is None


def test_a_relative_release_gives_relative_depth_whatever_the_camera(release):
    relative = Perceiver.from_release(replace(release, depth_kind='relative'))
    scene, zoomed = relative(frame(), view()), relative(frame(), view(zoom=2.0))
    assert scene.depth_kind == 'relative'
    assert same(scene, zoomed)


def test_a_metric_release_that_forgot_its_camera_gives_relative_depth(release):
    perceiver = Perceiver.from_release(replace(release, camera=None))
    assert perceiver(frame(), view()).depth_kind == 'relative'


def test_the_same_frame_twice_is_the_same_scene_to_the_byte(perceiver):
    assert same(perceiver(frame(), view()), perceiver(frame(), view()))


def test_two_frames_of_different_sizes_at_once_are_what_each_is_alone(perceiver):
    frames, cameras = (frame(), frame(40, 222, seed=1)), (view(), None)
    for together, rgb, camera in zip(
        perceiver.perceive(frames, cameras), frames, cameras, strict=True
    ):
        alone = perceiver(rgb, camera)
        assert (together.depth_kind, together.camera) == (alone.depth_kind, alone.camera)
        assert (together.labels == alone.labels).mean() > 0.999
        both = np.isfinite(together.depth) & np.isfinite(alone.depth)
        np.testing.assert_allclose(together.depth[both], alone.depth[both], rtol=1e-4)


def test_several_frames_are_one_call_of_the_engine(release, perceiver):
    engine = Mock(wraps=perceiver.engine, input_size=perceiver.engine.input_size)
    scenes = Perceiver(release, engine).perceive([frame(), frame(48, 64), frame()], [None] * 3)
    assert len(scenes) == 3 and engine.call_count == 1


class Unhurried:
    """An engine that gives other threads their turn before it looks at its input."""

    def __init__(self, engine):
        self.engine, self.input_size = engine, engine.input_size

    def __call__(self, frames):
        time.sleep(0.01)
        return self.engine(frames)


def test_calls_from_several_threads_give_what_the_same_calls_give_in_turn(release, perceiver):
    shared = Perceiver(release, Unhurried(perceiver.engine))
    frames = [frame(seed=seed) for seed in range(6)]
    with ThreadPoolExecutor(len(frames)) as threads:
        together = list(threads.map(shared, frames))
    assert all(map(same, together, map(perceiver, frames)))


@pytest.mark.parametrize('device', ['cpu', CUDA])
@pytest.mark.parametrize('detail', ['fast', 'fine'])
@pytest.mark.parametrize('output_size', ['camera', 0.25])
def test_a_scene_handed_out_is_never_touched_again(release, device, detail, output_size):
    perceiver = Perceiver.from_release(
        release, device=device, detail=detail, output_size=output_size
    )
    rgb = frame(64, 128)
    scene = perceiver(rgb)
    kept = {each.name: np.copy(getattr(scene, each.name)) for each in fields(Scene)[:3]}
    perceiver(frame(64, 128, seed=9))
    perceiver.perceive((frame(seed=3), frame(seed=4)), (None, None))
    for name, before in kept.items():
        np.testing.assert_array_equal(getattr(scene, name), before)


def test_a_frame_is_only_looked_at(perceiver):
    rgb = frame(64, 128)
    rgb.flags.writeable = False
    before = rgb.copy()
    perceiver(rgb)
    np.testing.assert_array_equal(rgb, before)


def test_views_of_other_memory_are_seen_as_their_copies_are(perceiver):
    wide = frame(180, 300)
    for seen in (wide[::2, ::2], wide[:90, 10:160], wide[:90, :150, ::-1], wide[:90, 149::-1]):
        assert same(perceiver(seen), perceiver(np.ascontiguousarray(seen)))


def test_fine_labels_are_upsampled_scores_and_fast_labels_upsampled_labels(release):
    fine = Perceiver.from_release(release, detail='fine')
    said = fine.engine(cv2.resize(frame(), (128, 64))[None])
    planes = [cv2.resize(plane, (150, 90)) for plane in said.logits[0]]
    np.testing.assert_array_equal(fine(frame()).labels, np.argmax(planes, axis=0))
    fast = cv2.resize(said.labels[0], (150, 90), interpolation=cv2.INTER_NEAREST)
    np.testing.assert_array_equal(Perceiver.from_release(release)(frame()).labels, fast)


def test_timings_name_every_stage_in_seconds(perceiver):
    timings = perceiver(frame()).timings
    assert set(timings) == {'prepare', 'network', 'post'}
    assert all(0 <= seconds < 10 for seconds in timings.values())


def test_warming_up_leaves_no_trace(release, perceiver):
    fresh = Perceiver.from_release(release)
    for frames in (1, 3):
        fresh.warm_up(frames=frames)
    assert same(fresh(frame()), perceiver(frame()))


def test_a_release_file_and_the_release_itself_perceive_alike(tmp_path, release, perceiver):
    path = tmp_path / 'release.safetensors'
    digest = write_release(path, release)
    from_file = Perceiver.from_release(path)
    assert from_file.release.digest == digest
    assert same(from_file(frame()), perceiver(frame()))
