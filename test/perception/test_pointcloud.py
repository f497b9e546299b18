"""A cloud is the picture lifted along its rays, point for pixel."""

from __future__ import annotations

import numpy as np
import pytest

from sds_perception.camera import Camera
from sds_perception.image_codec import image_bytes
from sds_perception.labels import PALETTE
from sds_perception.pointcloud import CLOUD_LAYOUT, CloudMaker
from sds_perception.scene import Scene

H, W = 12, 17
CAMERA = Camera(20.0, 21.0, 7.7, 5.2, W, H)


@pytest.fixture
def scene() -> Scene:
    rng = np.random.default_rng(0)
    depth = rng.uniform(1, 50, (H, W)).astype(np.float32)
    depth[2, 3:6] = np.nan
    labels = rng.integers(0, 19, (H, W), dtype=np.uint8)
    confidence = rng.integers(0, 256, (H, W), dtype=np.uint8)
    return Scene(labels, depth, confidence, 'metric', CAMERA)


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (H, W, 3), dtype=np.uint8)


def xyz_of(cloud: np.ndarray) -> np.ndarray:
    return np.stack([cloud[axis] for axis in 'xyz'], axis=-1)


def rgb_of(cloud: np.ndarray) -> np.ndarray:
    packed = cloud['rgb'].view(np.uint32)
    return np.stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255], axis=-1)


@pytest.mark.parametrize('decimation', [1, 2, 3, 5])
def test_every_point_projects_back_onto_its_own_pixel(decimation, scene, rgb) -> None:
    cloud = CloudMaker(CAMERA, decimation)(scene, rgb)
    rows = np.arange(decimation // 2, H, decimation)
    columns = np.arange(decimation // 2, W, decimation)
    known = np.isfinite(cloud['z'])
    pixels = CAMERA.project(xyz_of(cloud))
    u, v = np.meshgrid(columns, rows)
    np.testing.assert_allclose(pixels[known], np.stack((u, v), -1)[known], atol=1e-4)
    np.testing.assert_array_equal(cloud['z'], scene.depth[np.ix_(rows, columns)])
    np.testing.assert_array_equal(cloud['label'], scene.labels[np.ix_(rows, columns)])
    np.testing.assert_array_equal(cloud['confidence'], scene.confidence[np.ix_(rows, columns)])
    np.testing.assert_array_equal(rgb_of(cloud), rgb[np.ix_(rows, columns)])


def test_unknown_depth_is_nan_in_all_three_axes_and_keeps_its_label(scene, rgb) -> None:
    cloud = CloudMaker(CAMERA)(scene, rgb)
    np.testing.assert_array_equal(np.isnan(xyz_of(cloud)).all(axis=-1), np.isnan(scene.depth))
    np.testing.assert_array_equal(np.isnan(xyz_of(cloud)).any(axis=-1), np.isnan(scene.depth))
    np.testing.assert_array_equal(cloud['label'], scene.labels)


def test_without_a_picture_points_take_the_colour_of_their_class(scene) -> None:
    np.testing.assert_array_equal(rgb_of(CloudMaker(CAMERA)(scene)), PALETTE[scene.labels])


def test_no_colour_reads_as_nan(scene, rgb) -> None:
    assert np.isfinite(CloudMaker(CAMERA)(scene, rgb)['rgb']).all()


def test_the_bytes_read_back_by_the_declared_fields_alone(scene, rgb) -> None:
    cloud = CloudMaker(CAMERA)(scene, rgb)
    data = image_bytes(cloud).tobytes()
    assert len(data) == H * W * CLOUD_LAYOUT.point_step
    codes = {2: ('u1', 1), 7: ('<f4', 4)}
    for field in CLOUD_LAYOUT.fields:
        code, size = codes[field.datatype]
        assert field.count == 1
        starts = np.arange(H * W) * CLOUD_LAYOUT.point_step + field.offset
        values = b''.join(data[start : start + size] for start in starts)
        read = np.frombuffer(values, code).reshape(H, W)
        np.testing.assert_array_equal(read, cloud[field.name])


def test_two_clouds_in_a_row_do_not_mix(scene, rgb) -> None:
    maker = CloudMaker(CAMERA)
    other = Scene(scene.labels[::-1].copy(), scene.depth[::-1].copy(), scene.confidence, 'metric')
    maker(other, rgb[::-1].copy())
    np.testing.assert_array_equal(
        image_bytes(maker(scene, rgb)), image_bytes(CloudMaker(CAMERA)(scene, rgb))
    )


@pytest.mark.parametrize('decimation', [0, -1, H + 1])
def test_a_decimation_that_leaves_nothing_is_refused(decimation) -> None:
    with pytest.raises(ValueError, match='decimation must lie'):
        CloudMaker(CAMERA, decimation)


def test_a_scene_or_picture_of_another_size_is_refused(scene, rgb) -> None:
    with pytest.raises(ValueError, match='rgb is'):
        CloudMaker(CAMERA)(scene, rgb[:-1])
    with pytest.raises(ValueError, match='scene is'):
        CloudMaker(CAMERA.resized(2 * W, H))(scene)
