"""What goes into a bag comes out of it; what does not fit is named."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from sds_perception.calibration import pinhole
from sds_perception.camera import Camera
from sds_perception.offline.bag_source import IMAGE, INFO, BagSource, open_bag, read
from sds_perception.offline.bag_writer import BagWriter, offer, write_bag
from sds_perception.offline.camera_choice import CameraChoice
from sds_perception.offline.frames import Frame, OfflineError, Skipped
from sds_perception.offline.samples import user_frames


def test_frames_come_back_exactly_once_in_order_with_their_headers(bag, frames) -> None:
    source = BagSource(bag)
    read = list(source.frames())
    assert source.count == len(read) == len(frames)
    for found, wanted in zip(read, frames, strict=True):
        np.testing.assert_array_equal(found.rgb, wanted.rgb)
        assert found.stamp_ns == wanted.stamp_ns
        assert found.logged_ns == wanted.logged_ns
        assert found.frame_id == wanted.frame_id
        assert found.calibration.camera == wanted.calibration.camera


def test_a_bag_is_read_by_its_file_too(bag, frames) -> None:
    file = next(path for path in bag.iterdir() if path.suffix in ('.mcap', '.db3'))
    assert len(list(BagSource(file).frames())) == len(frames)


def test_compressed_pictures_are_read_and_find_their_camera_info(frames, tmp_path) -> None:
    smooth = [replace(f, rgb=np.full_like(f.rgb, 40 * i)) for i, f in enumerate(frames)]
    write_bag(tmp_path / 'jpeg', smooth, compressed=True)
    read = list(BagSource(tmp_path / 'jpeg').frames())
    assert all(found.calibration is not None for found in read)
    for found, wanted in zip(read, smooth, strict=True):
        assert np.abs(found.rgb.astype(int) - wanted.rgb).max() <= 3


def two_cameras(tmp_path, frames):
    with BagWriter(tmp_path / 'two') as bag:
        for frame in frames:
            bag.image('/left/image_raw', frame.rgb, 'rgb8', frame)
            bag.image('/right/image_raw', frame.rgb[::-1], 'rgb8', frame)
            camera = frame.calibration.camera
            bag.camera_info('/right/camera_info', frame.calibration, camera, frame)
            bag.camera_info(
                '/left/camera_info', pinhole(camera.flipped()), camera.flipped(), frame
            )
    return tmp_path / 'two'


def test_of_several_cameras_one_has_to_be_named(frames, tmp_path) -> None:
    path = two_cameras(tmp_path, frames)
    with pytest.raises(OfflineError, match='--topic: /left/image_raw, /right/image_raw'):
        BagSource(path)
    with pytest.raises(OfflineError, match='no picture topic /rear; it has: /left'):
        BagSource(path, '/rear')


def test_a_named_camera_gets_its_own_camera_info(frames, tmp_path) -> None:
    right = next(BagSource(two_cameras(tmp_path, frames), '/right/image_raw').frames())
    np.testing.assert_array_equal(right.rgb, frames[0].rgb[::-1])
    assert right.calibration.camera == frames[0].calibration.camera


def test_pictures_without_camera_info_have_no_camera_and_the_note_says_so(
    frames, tmp_path
) -> None:
    write_bag(tmp_path / 'blind', [replace(f, calibration=None) for f in frames])
    source = BagSource(tmp_path / 'blind')
    assert 'no CameraInfo' in source.note
    assert next(source.frames()).calibration is None


def test_the_only_camera_info_of_a_bag_is_taken_with_a_note_on_whose_it_is(
    frames, tmp_path
) -> None:
    with BagWriter(tmp_path / 'odd') as bag:
        for frame in frames:
            bag.image('/left/image_raw', frame.rgb, 'rgb8', frame)
            bag.camera_info('/right/info', frame.calibration, frame.calibration.camera, frame)
    source = BagSource(tmp_path / 'odd')
    assert 'no /left/camera_info in the bag: /right/info' in source.note
    assert next(source.frames()).calibration is not None


def test_a_camera_given_by_hand_takes_the_place_of_the_bags_own(bag, frames) -> None:
    read = next(BagSource(bag, choice=CameraChoice('100')).frames())
    height, width = frames[0].rgb.shape[:2]
    assert read.calibration.camera == Camera.guess(width, height, 100.0)


def test_broken_and_foreign_frames_are_skipped_by_name(frames, tmp_path) -> None:
    with BagWriter(tmp_path / 'mixed') as bag:
        for frame in frames:
            bag.camera_info('/c/camera_info', frame.calibration, frame.calibration.camera, frame)
        bag.image('/c/image', frames[0].rgb, 'rgb8', frames[0])
        bag.image('/c/image', frames[1].rgb, 'nv24', frames[1])
        bag.image('/c/image', frames[3].rgb[..., :2].copy(), 'rgb8', frames[3])
        bag.image('/c/image', frames[4].rgb, 'rgb8', frames[4])
    items = list(BagSource(tmp_path / 'mixed').frames())
    assert [type(item) for item in items] == [Frame, Skipped, Skipped, Frame]
    assert 'nv24' in items[1].reason
    assert 'smaller than a row' in items[2].reason


def with_camera_info(path, frames, height, focal_px):
    """The pictures of `frames`, each with a CameraInfo of this height and focal length."""
    with BagWriter(path) as bag:
        for frame in frames:
            k = np.diag((focal_px, focal_px, 1.0))
            of = SimpleNamespace(width=80, height=height, matrix=k)
            bag.image('/c/image', frame.rgb, 'rgb8', frame)
            bag.camera_info('/c/camera_info', frame.calibration, of, frame)
    return path


UNUSABLE = pytest.mark.parametrize(
    ('height', 'focal_px', 'why'),
    [(48, 0.0, 'fx'), (96, 60.0, 'camera_info is for 80x96, the image is 80x48')],
)


@UNUSABLE
def test_camera_info_of_no_use_costs_the_camera_not_the_frames_and_is_told_once(
    height, focal_px, why, frames, tmp_path, caplog
) -> None:
    path = with_camera_info(tmp_path / 'odd', frames, height, focal_px)
    read = list(BagSource(path).frames())
    assert [each.calibration for each in read] == [None] * len(frames)
    (said,) = caplog.messages
    assert why in said


@UNUSABLE
def test_what_cannot_be_rectified_as_told_is_skipped(
    height, focal_px, why, frames, tmp_path
) -> None:
    path = with_camera_info(tmp_path / 'odd', frames, height, focal_px)
    assert all(why in each.reason for each in BagSource(path, lens='rectify').frames())


@UNUSABLE
def test_frames_for_an_engine_ask_no_camera_info(
    height, focal_px, why, frames, tmp_path, caplog
) -> None:
    path = with_camera_info(tmp_path / 'odd', frames, height, focal_px)
    assert len(user_frames(path, (48, 80), len(frames))) == len(frames)
    assert not caplog.messages


def test_the_mosaic_of_a_bag_needs_no_ros_to_be_read(frames, tmp_path) -> None:
    with BagWriter(tmp_path / 'raw') as bag:
        bag.image('/c/image', np.full((48, 80), 90, np.uint8), 'bayer_rggb8', frames[0])
    (read,) = BagSource(tmp_path / 'raw').frames()
    np.testing.assert_array_equal(read.rgb, np.full((48, 80, 3), 90, np.uint8))


def test_rectified_frames_have_lost_their_lens(frames, tmp_path) -> None:
    camera = frames[0].calibration.camera
    bent = replace(pinhole(camera), d=np.array([-0.3, 0.1, 0, 0, 0]))
    write_bag(tmp_path / 'bent', [replace(f, calibration=bent) for f in frames])
    read = next(BagSource(tmp_path / 'bent', lens='rectify').frames())
    assert read.calibration.rectifier is not None
    np.testing.assert_array_equal(read.rgb, read.calibration.rectifier(frames[0].rgb))
    assert not np.array_equal(read.rgb, frames[0].rgb)


def test_each_frame_has_the_camera_info_of_its_stamp(frames, tmp_path) -> None:
    calibrations = [pinhole(Camera.guess(80, 48, 50.0 + 5 * i)) for i in range(5)]
    moved = [
        replace(f, calibration=c, logged_ns=f.logged_ns + 150_000_000)
        for f, c in zip(frames, calibrations, strict=True)
    ]
    write_bag(tmp_path / 'zoom', moved)
    read = list(BagSource(tmp_path / 'zoom').frames())
    assert [r.calibration.camera for r in read] == [c.camera for c in calibrations]


def test_camera_infos_are_found_by_their_stamps_whenever_they_were_recorded(
    frames, tmp_path
) -> None:
    cameras = [Camera.guess(80, 48, 50.0 + 5 * i) for i in range(5)]
    with BagWriter(tmp_path / 'bag') as bag:
        for number, (frame, camera) in enumerate(zip(frames, cameras, strict=True)):
            bag.image('/c/image', frame.rgb, 'rgb8', frame)
            if number >= 2:  # those of the first two are lost, the others come in reverse
                late = replace(frame, logged_ns=frames[-1].logged_ns + 10 - number)
                bag.camera_info('/c/camera_info', pinhole(camera), camera, late)
    read = BagSource(tmp_path / 'bag').frames()
    assert [each.calibration.camera for each in read] == [cameras[i] for i in (2, 2, 2, 3, 4)]


def test_what_else_is_said_on_the_topic_of_the_pictures_is_none_of_them(frames, tmp_path) -> None:
    with BagWriter(tmp_path / 'bag') as bag:
        for frame in frames:
            bag.image('/c/image', frame.rgb, 'rgb8', frame)
        bag._connections.pop('/c/image')
        bag.latched_text('/c/image', 'no picture', frames[-1])
    source = BagSource(tmp_path / 'bag')
    assert source.count == len(frames)
    assert [type(each) for each in source.frames()] == [Frame] * len(frames)


def test_what_a_driver_says_that_came_back_with_other_qos_is_read_as_well(
    frames, tmp_path
) -> None:
    calibrations = [pinhole(Camera.guess(80, 48, 50.0 + 5 * i)) for i in range(5)]
    with BagWriter(tmp_path / 'bag') as bag:
        for number, (frame, each) in enumerate(zip(frames, calibrations, strict=True)):
            if number == 2:
                bag._connections.clear()
                for topic, kind in (('/c/image', IMAGE), ('/c/camera_info', INFO)):
                    bag.announce(topic, kind, offer(1, reliable=True, latched=True))
            bag.image('/c/image', frame.rgb, 'rgb8', frame)
            bag.camera_info('/c/camera_info', each, each.camera, frame)
    source = BagSource(tmp_path / 'bag')
    assert source.count == len(frames)
    assert [read.calibration.camera for read in source.frames()] == [
        c.camera for c in calibrations
    ]
    assert source.note == ''


def test_what_is_written_reads_as_the_calibration_it_came_from(frames, tmp_path) -> None:
    write_bag(tmp_path / 'drive', frames)
    read = next(BagSource(tmp_path / 'drive').frames())
    np.testing.assert_array_equal(read.calibration.p, frames[0].calibration.p)


def test_a_camera_info_that_cannot_be_read_is_left_out_and_counted(
    frames, tmp_path, monkeypatch
) -> None:
    with BagWriter(tmp_path / 'torn') as bag:
        for frame in frames:
            camera = frame.calibration.camera
            bag.image('/c/image', frame.rgb, 'rgb8', frame)
            bag.camera_info('/c/camera_info', frame.calibration, camera, frame)
        whole = bag._types.serialize_cdr
        monkeypatch.setattr(bag._types, 'serialize_cdr', lambda *said: whole(*said)[:40])
        bag.camera_info('/c/camera_info', frame.calibration, camera, frame)
    source = BagSource(tmp_path / 'torn')
    assert '1 CameraInfo of the bag cannot be read' in source.note
    assert [read.calibration.camera for read in source.frames()] == [camera] * 5


def test_of_no_topic_nothing_is_read(bag) -> None:
    with open_bag(bag) as reader:
        assert list(read(reader, [])) == []
