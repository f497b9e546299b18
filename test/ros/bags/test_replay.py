from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from drives import write_drive

rclpy = pytest.importorskip('rclpy')

from rclpy.serialization import deserialize_message  # noqa: E402
from rosbags.rosbag2 import Reader  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402

from sds_perception.calibration import pinhole  # noqa: E402
from sds_perception.camera import Camera  # noqa: E402
from sds_perception.offline.bag_source import open_bag  # noqa: E402
from sds_perception.offline.bag_writer import BagWriter  # noqa: E402
from sds_perception.offline.frames import Frame, OfflineError  # noqa: E402
from sds_perception.ros.bags import record, replay  # noqa: E402
from sds_perception.ros.bags.bag_topics import BagError  # noqa: E402
from sds_perception.ros.bags.replay import Player, ReplayPlan  # noqa: E402
from sds_perception.ros.tool_node import BadTopic, full_name  # noqa: E402
from sds_perception.ros.trial.drive import as_drive, drive_in  # noqa: E402
from sds_perception.ros.trial.recorded import messages  # noqa: E402
from sds_perception.ros.trial.vehicle_process import (  # noqa: E402
    ChildProcess,
)

pytestmark = pytest.mark.ros
FRAMES, RATE_HZ = 12, 20.0


@pytest.fixture
def bag(tmp_path) -> Path:
    pictures = (np.full((24, 32, 3), number, np.uint8) for number in range(FRAMES))
    return write_drive(tmp_path / 'drive', pictures, RATE_HZ)


def play_and_record(bag: Path, output: Path, *options: str) -> float:
    """Two processes; the seconds the player took."""
    topics = ['--topics', '/drive/image', '/drive/camera_info', '/clock']
    log = output.with_suffix('.log')
    arguments = [str(bag), '--clock', '--linger', '0.5', *options]
    with ChildProcess('sds_perception.ros.bags.record', [str(output), *topics], log) as recorder:
        with ChildProcess(
            'sds_perception.ros.bags.replay', arguments, bag.with_suffix('.log')
        ) as player:
            began = time.monotonic()
            assert player.wait(30) == 0
        assert recorder.stop() == 0
    return time.monotonic() - began


def test_what_is_played_into_another_process_is_recorded_whole_pass_after_pass(bag, tmp_path):
    play_and_record(bag, tmp_path / 'twice', '--loop', '2', '--rate', '2')
    sent = list(messages(bag, ['/drive/image']))
    received = list(messages(tmp_path / 'twice', ['/drive/image']))
    assert [stamp for _, stamp, _ in received] == 2 * [stamp for _, stamp, _ in sent]
    assert [m.data for _, _, m in received] == 2 * [m.data for _, _, m in sent]
    with Reader(tmp_path / 'twice') as reader:
        ticks = [data for c, _, data in reader.messages() if c.topic == '/clock']
    assert len(ticks) > 2 * FRAMES
    times = [deserialize_message(each, Clock).clock for each in ticks]
    seconds = [each.sec + each.nanosec / 1e9 for each in times]
    lingered_s = 0.5 * 2  # in bag time
    assert min(seconds) >= 1 / RATE_HZ and max(seconds) < FRAMES / RATE_HZ + lingered_s + 0.001


def test_the_player_keeps_the_pace_of_the_bag_times_the_rate(bag, node):
    with open_bag(bag) as reader:
        for rate, linger_s in ((1.0, 0.0), (4.0, 0.3)):
            player = Player(node, reader, ReplayPlan(bag, rate=rate, linger_s=linger_s))
            began = time.monotonic()
            player.play()
            wanted_s = (FRAMES - 1) / RATE_HZ / rate + linger_s
            assert wanted_s * 0.95 < time.monotonic() - began < wanted_s + 2.0
            assert player.played == 2 * FRAMES


def test_the_clock_stands_while_it_waits_and_then_keeps_the_pace(bag, node, monkeypatch):
    ticks, rate = [], 4.0
    note = lambda _, now_ns: ticks.append((time.monotonic(), now_ns))  # noqa: E731
    monkeypatch.setattr(Player, '_tell_time', note)
    with open_bag(bag) as reader:
        player = Player(node, reader, ReplayPlan(bag, rate=rate, wait_s=0.1, linger_s=0.0))
        player.wait_for_subscriber()
        assert {now_ns for _, now_ns in ticks} == {reader.start_time}
        began_s = time.monotonic()
        player.play()
        for real_s, now_ns in ticks:
            assert now_ns - reader.start_time <= max(real_s - began_s, 0.0) * rate * 1e9 + 1e3
        assert ticks[-1][1] == reader.end_time


def test_one_picture_that_is_heard_is_enough_and_what_else_is_awaited_is_told(
    tmp_path, node, monkeypatch, capfd
):
    monkeypatch.setattr(replay, 'FIRST_WORD_S', 0.0)
    monkeypatch.setattr(replay, 'SETTLE_S', 0.1)
    rgb = np.zeros((24, 32, 3), np.uint8)
    frame = Frame('0', rgb, 0, 0, 'cam', None)
    with BagWriter(tmp_path / 'bag') as out:
        out.jpeg('/front/image/compressed', rgb, frame)
        out.image('/rear/image', rgb, 'rgb8', frame)
    node.create_subscription(CompressedImage, '/front/image/compressed', lambda _: None, 1)
    with open_bag(tmp_path / 'bag') as reader:
        plan = ReplayPlan(tmp_path / 'bag', wait_s=0.5, awaited=('labels',))
        Player(node, reader, plan).wait_for_subscriber()
    said = capfd.readouterr().err
    assert 'waiting for a subscriber of /labels, 0 s more\n' in said
    assert 'nobody subscribed to /labels in 0.5 s' in said


def test_a_clock_in_the_bag_is_not_played(tmp_path, node):
    with BagWriter(tmp_path / 'bag') as out:
        out.announce('/clock', 'rosgraph_msgs/msg/Clock')
        out.write('/clock', bytes(12), 0)
    with (
        open_bag(tmp_path / 'bag') as reader,
        pytest.raises(BagError, match='/clock, of which nothing is left'),
    ):
        Player(node, reader, ReplayPlan(tmp_path / 'bag'))


def test_a_player_that_waits_says_for_what_and_who_listens_elsewhere(
    bag, node, monkeypatch, capfd
):
    monkeypatch.setattr(replay, 'FIRST_WORD_S', 0.0)
    node.create_subscription(Image, '/drive/imgae', lambda _: None, 1)
    with open_bag(bag) as reader:
        Player(node, reader, ReplayPlan(bag, wait_s=0.3)).wait_for_subscriber()
    (line,) = [each for each in capfd.readouterr().err.splitlines() if 'waiting for' in each]
    assert 'waiting for a subscriber of /drive/image, 0 s more' in line
    assert line.endswith('somebody listens to /drive/imgae, which nobody publishes')


def test_a_topic_the_bag_lacks_is_refused_by_name(bag, node):
    with open_bag(bag) as reader, pytest.raises(BagError, match='no topic /rear'):
        Player(node, reader, ReplayPlan(bag, topics=('/rear',)))


def test_a_bag_of_which_everything_is_left_out_is_refused(bag, node):
    with open_bag(bag) as reader, pytest.raises(BagError, match='/drive/image, of which nothing'):
        Player(node, reader, ReplayPlan(bag, left_out=('/drive',)))


@pytest.mark.parametrize('rate', [0.0, -1.0, float('inf'), float('nan')])
def test_a_rate_that_is_not_positive_and_finite_is_refused(rate):
    with pytest.raises(BagError, match='rate must be above 0 and finite'):
        ReplayPlan(Path('bag'), rate=rate)


def test_a_negative_number_of_passes_is_refused():
    with pytest.raises(BagError, match='passes must be 0 .* or more, got -1'):
        ReplayPlan(Path('bag'), passes=-1)


@pytest.mark.parametrize('option', ['wait', 'linger'])
@pytest.mark.parametrize('seconds', [-1.0, float('nan')])
def test_a_time_below_0_is_refused(option, seconds):
    with pytest.raises(BagError, match=f'{option} must be 0 s or more.*, got'):
        ReplayPlan(Path('bag'), **{f'{option}_s': seconds})


@pytest.mark.parametrize(
    ('left_out', 'left'),
    [
        (('/drive/image',), ['/drive/camera_info']),
        (('drive/image',), ['/drive/camera_info']),
        (('/dri', '/drive/image/compressed'), ['/drive/image', '/drive/camera_info']),
    ],
)
def test_a_topic_or_a_namespace_can_be_left_out(bag, node, left_out, left):
    with open_bag(bag) as reader:
        Player(node, reader, ReplayPlan(bag, left_out=left_out))
        offered = [each.topic_name for each in node.publishers]
    assert sorted(each for each in offered if each.startswith('/drive')) == sorted(left)


@pytest.mark.parametrize('topic', ['bad topic', '/a//b', ''])
def test_a_name_that_cannot_be_a_topic_is_refused_in_one_sentence(node, topic):
    with pytest.raises(BadTopic) as refusal:
        full_name(node, topic)
    assert str(refusal.value).startswith(f'{topic!r} cannot be a topic: topic name must not')
    assert '\n' not in str(refusal.value)


@pytest.mark.parametrize('command', [record, replay])
def test_what_ros_cannot_read_of_a_command_line_is_refused_in_one_sentence(command, capsys):
    told = ['bag', '--topics', '/a', '--ros-args', '-r', 'image:=a:b']
    assert command.main(told) == 2
    (line,) = [each for each in capsys.readouterr().err.splitlines() if ': Could' in each]
    assert "Couldn't parse remap rule: '-r image:=a:b'" in line and '.c:' not in line


def test_a_folder_without_a_bag_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(OfflineError, match='not a readable ROS 2 bag'), open_bag(tmp_path):
        pass


def test_a_drive_finds_its_camera_and_its_truth(bag):
    drive = drive_in(bag)
    assert (drive.image_topic, drive.info_topic) == ('/drive/image', '/drive/camera_info')
    assert (drive.frames, drive.compressed, drive.truth_topics) == (FRAMES, False, ())


def test_a_folder_of_pictures_becomes_a_drive_that_admits_its_guess(tmp_path):
    import cv2

    folder = tmp_path / 'pictures'
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f'{number}.png'), np.full((24, 32, 3), number, np.uint8))
    drive = as_drive(folder, tmp_path / 'scratch')
    assert drive.frames == 3
    assert 'a camera of 60 degrees is assumed' in drive.note


def test_an_empty_folder_and_a_text_file_are_refused(tmp_path):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'note.txt').write_text('not a video')
    with pytest.raises(OfflineError, match='holds no picture'):
        as_drive(tmp_path / 'empty', tmp_path / 'scratch')
    with pytest.raises(OfflineError, match='no video OpenCV can read'):
        as_drive(tmp_path / 'note.txt', tmp_path / 'scratch')


@pytest.fixture
def node():
    from sds_perception.ros.shipped import prepare_transport

    prepare_transport()
    rclpy.init()
    made = rclpy.create_node('test_replay')
    yield made
    made.destroy_node()
    rclpy.try_shutdown()


def test_a_drive_never_takes_the_camera_info_of_another_camera(tmp_path):
    picture, camera = np.zeros((24, 32, 3), np.uint8), Camera.guess(32, 24)
    frame = Frame('0', picture, 0, 0, 'front', pinhole(camera))
    with BagWriter(tmp_path / 'bag') as out:
        out.image('/front/image', picture, 'rgb8', frame)
        for other in ('left', 'right'):
            out.camera_info(f'/{other}/camera_info', frame.calibration, camera, frame)
    drive = drive_in(tmp_path / 'bag')
    assert drive.info_topic is None and '/front/image' in drive.note
