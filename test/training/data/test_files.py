from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sds_training.data.files import (
    FileError,
    StereoCamera,
    read_camera,
    read_depth_m,
    read_disparity_depth_m,
    read_label_ids,
    read_picture,
    read_vehicle,
    recorded_camera,
)


def test_a_picture_is_as_its_sensor_saw_it_whatever_its_exif(tmp_path: Path) -> None:
    """Camera file and labels are for the sensor's pixels; a turned picture fits neither."""
    file, turned = tmp_path / 'street.jpg', Image.Exif()
    turned[0x112] = 6  # orientation: shown turned by a quarter
    Image.fromarray(np.full((20, 30, 3), 90, np.uint8)).save(file, exif=turned)
    assert cv2.imread(str(file)).shape == (30, 20, 3)  # that OpenCV would turn it
    assert read_picture(file).shape == (20, 30, 3)


@pytest.mark.parametrize('content', [None, b'', b'no picture'])
def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / 'street.png'
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(FileError, match='street.png cannot be read as a picture'):
        read_picture(file)


@pytest.mark.parametrize('kept', [0, 5, 100])
def test_depth_that_is_cut_short_is_named(tmp_path: Path, kept: int) -> None:
    file = tmp_path / 'street_depth.npy'
    np.save(file, np.ones((20, 30), np.float32))
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(FileError, match='street_depth.npy cannot be read as depth; is the file'):
        read_depth_m(file)


def test_a_vehicle_file_that_is_no_json_is_told_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / 'street_vehicle.json'
    file.write_text('{"speed": 8')
    with pytest.raises(FileError) as problem:
        read_vehicle(file)
    told = str(problem.value)
    assert told.startswith(f'{file} cannot be read as JSON') and told.count(str(file)) == 1


@pytest.mark.parametrize(('content', 'told'), [
    ('{"intrinsic": null}', ''),
    ('{"intrinsic": {"fx": 9, "fy": 9, "u0": 4}}', "'v0' is missing"),
    ('{"intrinsic": {"fx": 9, "fy": 9, "u0": 4, "v0": 4}, "extrinsic": null}', 'wanted a map'),
    ('{"intrinsic": {"fx": 9, "fy": 9, "u0": 4, "v0": 4}, "extrinsic": []}', 'wanted a map'),
])  # fmt: skip
def test_a_camera_file_that_is_none_is_named(tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / 'street_camera.json'
    file.write_text(content)
    with pytest.raises(FileError, match=f'{file} is not a Cityscapes camera file: .*{told}'):
        read_camera(file)


def test_a_height_that_a_camera_file_does_not_tell_is_unknown(tmp_path: Path) -> None:
    file = tmp_path / 'street_camera.json'
    intrinsic = '{"fx": 9, "fy": 9, "u0": 4, "v0": 4}'
    file.write_text(f'{{"intrinsic": {intrinsic}, "extrinsic": {{"baseline": 0.2}}}}')
    assert np.isnan(read_camera(file).mounting.z_m)


@pytest.mark.parametrize('value', ['NaN', '-Infinity', '1e999'])
@pytest.mark.parametrize('name', ['speed', 'yawRate'])
def test_a_motion_that_is_no_number_is_named(tmp_path: Path, name: str, value: str) -> None:
    file = tmp_path / 'street_vehicle.json'
    told = {'speed': '8.0', 'yawRate': '0.1', name: value}
    file.write_text('{' + ', '.join(f'"{key}": {each}' for key, each in told.items()) + '}')
    wanted = f'street_vehicle.json .*: {name} is (nan|-?inf), wanted a finite number'
    with pytest.raises(FileError, match=wanted):
        read_vehicle(file)


@pytest.mark.parametrize('name', ['baseline', 'x', 'z', 'yaw', 'pitch', 'roll'])
def test_a_mounting_that_is_no_number_is_named(tmp_path: Path, name: str) -> None:
    file = tmp_path / 'street_camera.json'
    intrinsic = '{"fx": 9, "fy": 9, "u0": 4, "v0": 4}'
    file.write_text(f'{{"intrinsic": {intrinsic}, "extrinsic": {{"{name}": NaN}}}}')
    with pytest.raises(FileError, match=f'street_camera.json .*: {name} is nan, wanted a finite'):
        read_camera(file)


def test_a_camera_file_for_another_picture_size_is_named(tmp_path: Path) -> None:
    file = tmp_path / 'street_camera.json'
    file.write_text('{"intrinsic": {"fx": 2268.4, "fy": 2225.5, "u0": 1097, "v0": 513}}')
    assert recorded_camera(file, 2048, 1024).fx == 2268.4
    told = 'street_camera.json has its principal point at 1097, 513, outside the 1024x512 picture'
    with pytest.raises(FileError, match=told):
        recorded_camera(file, 1024, 512)


def test_an_archive_of_arrays_is_no_depth_whatever_its_name(tmp_path: Path) -> None:
    file = tmp_path / 'street_depth.npy'
    with file.open('wb') as out:
        np.savez(out, depth=np.ones((20, 30), np.float32))
    with pytest.raises(FileError, match='street_depth.npy cannot be read as depth'):
        read_depth_m(file)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def test_a_picture_that_claims_more_pixels_than_there_can_be_is_named(tmp_path: Path) -> None:
    file = tmp_path / 'street.png'
    size = struct.pack('>IIBBBBB', 40_000, 40_000, 8, 0, 0, 0, 0)
    chunks = [(b'IHDR', size), (b'IDAT', zlib.compress(b'few')), (b'IEND', b'')]
    file.write_bytes(b'\x89PNG\r\n\x1a\n' + b''.join(png_chunk(*each) for each in chunks))
    with pytest.raises(FileError, match='street.png cannot be read as a label picture'):
        read_label_ids(file)
    with pytest.raises(FileError, match='street.png is not a 16-bit disparity picture'):
        read_disparity_depth_m(file, StereoCamera(9, 9, 4, 4, 0.2))
