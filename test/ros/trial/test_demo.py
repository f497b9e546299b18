from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from drives import write_drive

pytest.importorskip('rclpy')

from rclpy.serialization import serialize_message
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from std_msgs.msg import Header

from sds_perception.engines.choose import quickest_engine
from sds_perception.labels import UNLABELLED
from sds_perception.offline.bag_writer import BagWriter
from sds_perception.offline.frames import Frame
from sds_perception.ros.messages import ImageWriter
from sds_perception.ros.trial import demo
from sds_perception.ros.trial.demo_folder import claim_folder
from sds_perception.ros.trial.drive import drive_in
from sds_perception.ros.trial.recorded import (
    contact_sheet,
    kind_of_depth,
    scenes,
)
from sds_perception.ros.trial.score import Score, score_against_truth
from sds_perception.scene import Scene

pytestmark = [pytest.mark.ros, pytest.mark.usefixtures('own_domain')]
H, W = 24, 32


def write_images(bag: Path, topics: dict[str, tuple[str, list[np.ndarray]]]) -> Path:
    """A bag of one-channel pictures; the n-th of every topic is stamped n."""
    types = get_typestore(Stores.LATEST)
    with Writer(bag, version=9, storage_plugin=StoragePlugin.MCAP) as out:
        for topic, (encoding, pictures) in topics.items():
            connection = out.add_connection(topic, 'sensor_msgs/msg/Image', typestore=types)
            for number, picture in enumerate(pictures, start=1):
                header = Header(frame_id='cam')
                header.stamp.sec = number
                message = ImageWriter().fill(picture, encoding, header)
                out.write(connection, number, serialize_message(message))
    return bag


@pytest.fixture
def truth() -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(0)
    labels = [rng.integers(0, 19, (H, W), np.uint8) for _ in range(3)]
    depths = [rng.uniform(2, 40, (H, W)).astype(np.float32) for _ in range(3)]
    return labels, depths


@pytest.fixture
def bags(tmp_path, truth):
    """A drive with truth, and what a node made of it: all right, at twice the depth."""
    labels, depths = truth
    pictures = [np.zeros((H, W, 3), np.uint8)] * 3
    drive = write_images(
        tmp_path / 'drive',
        {
            '/truth/labels': ('mono8', labels),
            '/truth/depth': ('32FC1', depths),
            '/camera/image': ('bgr8', pictures),
        },
    )
    sure = [np.full((H, W), 255, np.uint8)] * 3
    doubled = [2 * depth for depth in depths]
    result = write_images(
        tmp_path / 'result',
        {
            '/n/labels': ('mono8', labels),
            '/n/depth_relative': ('32FC1', doubled),
            '/n/confidence': ('mono8', sure),
        },
    )
    return drive, result


def test_the_truth_in_a_drive_is_not_taken_for_its_camera(bags):
    drive = drive_in(bags[0])
    assert drive.image_topic == '/camera/image'
    assert drive.truth_topics == ('/truth/labels', '/truth/depth')


def test_what_a_node_saw_is_neither_camera_nor_truth(tmp_path, bags):
    picture = [np.zeros((H, W), np.uint8)]
    below = '/sds_perception'
    everything = write_images(
        tmp_path / 'everything',
        {
            f'{below}/labels': ('mono8', picture),
            f'{below}/depth': ('32FC1', [np.ones((H, W), np.float32)]),
            f'{below}/confidence': ('mono8', picture),
            '/front/image_raw': ('mono8', picture),
        },
    )
    drive = drive_in(everything)
    assert (drive.picture_topic, drive.truth_topics) == ('/front/image_raw', ())


@pytest.mark.parametrize('topic', ['/front/image/compressed', '/front/image_jpeg'])
def test_compressed_pictures_are_heard_by_any_name(tmp_path, topic):
    picture = np.zeros((H, W, 3), np.uint8)
    frame = Frame('0', picture, stamp_ns=1, logged_ns=1, frame_id='front', calibration=None)
    with BagWriter(tmp_path / 'bag', 'mcap') as bag:
        bag.jpeg(topic, picture, frame)
    told = demo.remaps(drive_in(tmp_path / 'bag'))
    assert told[f'{told["image"]}/compressed'] == topic


def test_a_node_that_saw_everything_right_but_the_scale_has_perfect_scores(bags):
    drive, result = bags
    assert kind_of_depth(result) == 'relative'
    figures = score_against_truth(result, '/n', drive_in(drive))
    assert figures == {'mIoU': 1.0, 'AbsRel, median-scaled': 0.0}


def test_recorded_scenes_come_back_as_published(bags, truth):
    labels, depths = truth
    recorded = dict(scenes(bags[1], '/n'))
    assert sorted(recorded) == [1_000_000_000, 2_000_000_000, 3_000_000_000]
    np.testing.assert_array_equal(recorded[2_000_000_000].labels, labels[1])
    np.testing.assert_array_equal(recorded[2_000_000_000].depth, 2 * depths[1])


def test_metric_depth_is_scored_in_metres_and_unlabelled_guesses_count_as_wrong(truth):
    (labels, *_), (depth, *_) = truth
    half_blind = labels.copy()
    half_blind[:, : W // 2] = UNLABELLED
    score = Score()
    sure = np.full((H, W), 255, np.uint8)
    score.add(Scene(half_blind, 1.1 * depth, sure, 'metric'), labels, depth)
    figures = score.summary()
    assert 0.4 < figures['mIoU'] < 0.6
    assert figures['AbsRel, metric'] == pytest.approx(0.1, abs=1e-3)
    assert figures['AbsRel, median-scaled'] == pytest.approx(0.0, abs=1e-3)


def test_unknown_truth_and_unknown_depth_are_not_scored(truth):
    (labels, *_), (depth, *_) = truth
    hole, unknown = depth.copy(), labels.copy()
    hole[::2], unknown[::2] = np.nan, UNLABELLED
    score = Score()
    score.add(Scene(labels, hole, np.zeros((H, W), np.uint8), 'metric'), unknown, depth)
    assert score.summary()['mIoU'] == 1.0
    assert score.summary()['AbsRel, metric'] == 0.0


def test_a_contact_sheet_has_room_for_an_odd_number_of_frames(truth):
    (labels, *_), (depth, *_) = truth
    scene = Scene(labels, depth, np.zeros((H, W), np.uint8), 'metric')
    sheet = contact_sheet([(np.zeros((H, W, 3), np.uint8), scene)] * 3, width=256)
    assert sheet.shape[1:] == (256, 3)
    assert (
        sheet[: sheet.shape[0] // 2, 128:].any() and not sheet[sheet.shape[0] // 2 :, 128:].any()
    )


def test_the_demo_plays_a_drive_through_the_real_node(
    tmp_path, tiny_release, as_a_command, capsys
):
    rng = np.random.default_rng(1)
    pictures = (rng.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(8))
    write_drive(tmp_path / 'drive', pictures, rate_hz=8.0)
    out = tmp_path / 'out'
    told = [str(tmp_path / 'drive'), '--output', str(out), '--release', str(tiny_release)]
    assert demo.main([*told, '--device', 'cpu']) == 0
    assert 'WEIGHTS ARE UNTRAINED' in capsys.readouterr().out
    summary = json.loads((out / 'summary.json').read_text())
    frames = summary['frames']
    assert frames['in'] == 8 >= frames['received']  # a busy machine may overwrite one unread
    assert frames['out'] + frames['dropped'] == frames['received'] and frames['out'] > 0
    assert summary['engine'].split()[:2] == [quickest_engine('cpu')[0], 'cpu']
    assert summary['depth'] == 'relative' and summary['weights'] == 'untrained'
    assert summary['latency_ms']['network']['p50'] > 0
    assert len(list(scenes(out / 'result', '/sds_perception'))) == frames['out']
    assert cv2.imread(str(out / 'contact_sheet.png')).std() > 5
    film = cv2.VideoCapture(str(out / 'overlay.mp4'))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == frames['out']


def test_a_demo_of_nothing_ends_with_one_sentence(tmp_path, as_a_command, capsys):
    told = [str(tmp_path / 'nothing'), '--output', str(tmp_path / 'out')]
    assert demo.main(told) == 2
    assert capsys.readouterr().err.strip() == f'demo: {tmp_path}/nothing does not exist'


def test_the_shipped_release_is_called_demo_here_too(tmp_path, as_a_command, capsys):
    told = [str(tmp_path / 'nothing'), '--output', str(tmp_path / 'out'), '--release', 'demo']
    assert demo.main(told) == 2
    assert capsys.readouterr().err.strip() == f'demo: {tmp_path}/nothing does not exist'


def refused(capsys, given: Path, output: Path) -> str:
    """The sentence a demo ends with."""
    assert demo.main([str(given), '--output', str(output)]) == 2
    return capsys.readouterr().err.strip()


@pytest.mark.parametrize('name', ['drive', 'result'])
def test_a_demo_never_replaces_what_no_demo_has_made(name, tmp_path, as_a_command, capsys):
    kept = tmp_path / name / '1.png'
    kept.parent.mkdir()
    cv2.imwrite(str(kept), np.zeros((48, 64, 3), np.uint8))
    (tmp_path / 'pictures').mkdir()
    said = refused(capsys, tmp_path / 'pictures', tmp_path)
    assert said.startswith(f'demo: {tmp_path}/pictures lies in {tmp_path}')
    said = refused(capsys, Path(__file__), tmp_path)
    assert said.startswith(f'demo: {tmp_path} is neither empty nor the folder of an earlier demo')
    assert kept.exists() and not (tmp_path / '.sds_demo').exists()


def test_an_input_that_shows_nothing_costs_no_result(tmp_path, as_a_command, capsys):
    claim_folder(tmp_path / 'out', None)
    kept = write_drive(tmp_path / 'out' / 'result', [np.zeros((48, 64, 3), np.uint8)], 5.0)
    assert 'does not exist' in refused(capsys, tmp_path / 'nothing', tmp_path / 'out')
    assert f'{kept} lies in {tmp_path}/out' in refused(capsys, kept, tmp_path / 'out')
    assert drive_in(kept).frames == 1


def test_an_output_that_is_a_file_is_refused_in_one_sentence(tmp_path, as_a_command, capsys):
    (tmp_path / 'file').touch()
    said = refused(capsys, tmp_path, tmp_path / 'file')
    assert said.endswith('file is no folder that can be written')


def test_a_node_that_refuses_its_release_ends_the_demo_with_its_reason(
    tmp_path, as_a_command, capsys
):
    write_drive(tmp_path / 'drive', [np.zeros((48, 64, 3), np.uint8)], rate_hz=5.0)
    broken = tmp_path / 'broken.safetensors'
    broken.write_bytes(b'not a release')
    told = [str(tmp_path / 'drive'), '--output', str(tmp_path / 'out'), '--release', str(broken)]
    assert demo.main(told) == 2
    assert 'damaged or not a safetensors file' in capsys.readouterr().err
