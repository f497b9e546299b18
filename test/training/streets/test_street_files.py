"""Laws of the folder: Cityscapes names, files that decode to the truth, bags that hold it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from sds_perception.labels import TRAIN_ID_FROM_LABEL_ID
from sds_training.data.cityscapes import scan
from sds_training.data.files import (
    read_camera,
    read_disparity_depth_m,
    read_label,
    read_vehicle,
)
from sds_training.streets.bag import FRAME_ID, IMAGE, TRUE_DEPTH, TRUE_LABELS, DriveBag
from sds_training.streets.cli import main, split_shares
from sds_training.streets.drive import Drive, Frame
from sds_training.streets.files import write_drive

FRAMES = 4  # of the drive in conftest
LAST = FRAMES - 1


def test_the_loader_finds_every_file_of_a_snippet(folder: Path, rendered_drive: Drive) -> None:
    layout = scan(folder, 'val')
    name = f'{rendered_drive.city.name}_{rendered_drive.seed[1]:06d}_{LAST:06d}'
    assert list(layout.images) == [name]
    assert len(layout.sequence) == len(layout.vehicles) == FRAMES
    for kind in (layout.labels, layout.cameras, layout.disparities, layout.depths):
        assert list(kind) == [name]


def test_the_disparity_file_decodes_to_the_depth(folder: Path, rendered_drive: Drive) -> None:
    layout = scan(folder, 'val')
    (disparity,), (depth,) = layout.disparities.values(), layout.depths.values()
    camera = read_camera(next(iter(layout.cameras.values())))
    decoded, true = read_disparity_depth_m(disparity, camera), np.load(depth)
    assert np.array_equal(np.isnan(decoded), np.isnan(true))
    known = np.isfinite(true)
    step = true[known] ** 2 / (camera.fx * camera.baseline_m) / 256  # half a level, twice
    assert (np.abs(decoded[known] - true[known]) <= step).all()


def test_labels_camera_and_speed_read_back_as_rendered(
    folder: Path, rendered_drive: Drive
) -> None:
    layout = scan(folder, 'val')
    frame = rendered_drive.render(LAST)
    labels = read_label(next(iter(layout.labels.values())))
    assert np.array_equal(labels, TRAIN_ID_FROM_LABEL_ID[frame.label_ids])
    camera = read_camera(next(iter(layout.cameras.values())))
    assert (
        camera.at(rendered_drive.sensor.camera.width, rendered_drive.sensor.camera.height)
        == rendered_drive.sensor.camera
    )
    states = [read_vehicle(path) for path in layout.vehicles.values()]
    assert [state.speed for state in states] == [float(v) for v in rendered_drive.motion.speed]
    assert [state.yaw_rate for state in states] == [
        float(v) for v in rendered_drive.motion.yaw_rate
    ]


def test_every_frame_has_its_pose_and_its_truth_where_asked_for(
    folder: Path, rendered_drive: Drive
) -> None:
    poses = sorted(folder.glob('pose/val/*/*_pose.json'))
    read = [json.loads(path.read_text())['world_from_camera'] for path in poses]
    assert np.array_equal(
        read, [rendered_drive.motion.world_from_camera(k) for k in range(FRAMES)]
    )
    for kind in ('gtFine_sequence', 'disparity_sequence'):
        assert len(list(folder.glob(f'{kind}/val/*/*.png'))) == FRAMES * (1 + (kind[0] == 'g'))


def test_workers_do_not_change_a_byte(tmp_path: Path) -> None:
    common = ['--snippets', '2', '--seed', '4', '--size', '32x16', '--frames', '1']
    for workers in ('1', '2'):
        assert main([str(tmp_path / workers), *common, '--workers', workers]) == 0
    files = {p.relative_to(tmp_path / '1') for p in (tmp_path / '1').rglob('*.*')}
    assert files == {p.relative_to(tmp_path / '2') for p in (tmp_path / '2').rglob('*.*')}
    for name in files:
        assert (tmp_path / '1' / name).read_bytes() == (tmp_path / '2' / name).read_bytes(), name


def _messages(path: Path) -> list[tuple[str, int, Any]]:
    with AnyReader([path], default_typestore=get_typestore(Stores.LATEST)) as bag:
        return [(c.topic, t, bag.deserialize(raw, c.msgtype)) for c, t, raw in bag.messages()]


@pytest.mark.parametrize(('compressed', 'storage'), [(False, 'mcap'), (True, 'sqlite3')])
def test_a_bag_holds_the_pictures_and_the_truth_at_17_hertz(
    rendered_drive: Drive, tmp_path: Path, compressed: bool, storage: str
) -> None:
    with DriveBag(tmp_path / 'bag', storage, compressed) as bag:
        for number in range(2):
            bag.add(rendered_drive, number, rendered_drive.render(number))
    read, true = _messages(tmp_path / 'bag'), rendered_drive.render(1)
    topic = IMAGE + '/compressed' * compressed
    stamps = [t for name, t, _ in read if name == topic]
    assert np.allclose(np.diff(stamps), 1e9 / 17, atol=1)
    assert {m.header.frame_id for _, _, m in read} == {FRAME_ID}
    depth = [m for name, _, m in read if name == TRUE_DEPTH][-1]
    assert depth.encoding == '32FC1'
    shape = true.depth_m.shape
    assert np.array_equal(depth.data.view('<f4').reshape(shape), true.depth_m, equal_nan=True)
    labels = [m for name, _, m in read if name == TRUE_LABELS][-1]
    assert np.array_equal(labels.data.reshape(shape), TRAIN_ID_FROM_LABEL_ID[true.label_ids])
    if not compressed:
        picture = [m for name, _, m in read if name == topic][-1]
        assert np.array_equal(picture.data.reshape(true.image.shape), true.image)


def test_what_is_stopped_halfway_has_its_own_camera_and_no_bag(
    rendered_drive: Drive, tmp_path: Path
) -> None:
    def full(drive: Drive, number: int, frame: Frame) -> None:
        bag.add(drive, number, frame)
        if number == 1:
            raise OSError('no space left')

    with pytest.raises(OSError, match='no space'), DriveBag(tmp_path / 'bag') as bag:
        write_drive(tmp_path, 'train', rendered_drive, also=full)
    layout = scan(str(tmp_path), 'train')
    (name,) = layout.sequence  # the frame before the disk was full
    assert layout.camera(name).name.startswith(name.rpartition('_')[0])
    assert not (tmp_path / 'bag').exists()


def test_a_window_renders_only_the_labelled_frame_and_its_neighbours(tmp_path: Path) -> None:
    options = ['--snippets', '1', '--size', '32x16', '--window', '1', '--bag', str(tmp_path / 'b')]
    assert main([str(tmp_path), *options]) == 0
    pictures = tmp_path.glob('leftImg8bit_sequence/train/*/*.png')
    numbers = sorted(p.name.split('_')[2] for p in pictures)
    assert numbers == ['000018', '000019', '000020']
    assert len([t for name, t, _ in _messages(tmp_path / 'b') if name == IMAGE]) == 3


def test_of_a_window_only_each_second_frame_is_rendered(tmp_path: Path) -> None:
    options = ['--snippets', '1', '--size', '32x16', '--window', '3', '--every', '2']
    assert main([str(tmp_path), *options]) == 0
    pictures = tmp_path.glob('leftImg8bit_sequence/train/*/*.png')
    assert sorted(p.name.split('_')[2] for p in pictures) == ['000017', '000019', '000021']


def test_splits_are_read_as_shares() -> None:
    assert split_shares('train') == (['train'], [1.0])
    assert split_shares('train=3,val=1') == (['train', 'val'], [0.75, 0.25])


@pytest.mark.parametrize('text', ['train=x', 'train=-1', 'train=nan', 'train=inf', 'a b', ''])
def test_a_split_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match='--split wants'):
        split_shares(text)


def test_a_size_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path), '--size', '512'])
