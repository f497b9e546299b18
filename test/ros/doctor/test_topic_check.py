"""What the doctor hears of the cameras is what the node will hear, and say, of them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from node_graph import camera_info, image
from rclpy.logging import get_logger
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage

from sds_perception.image_codec import encode_png
from sds_perception.ros.doctor import doctor

LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


SURELY = ('--device', 'cpu', '--timeout', '30')  # ends as soon as all has come
SIM_TIME = ('--ros-args', '-p', 'use_sim_time:=true')
IN_VAIN = ('--timeout', '2')  # for what never comes


@pytest.fixture
def examined(graph, capsys, tiny_release, as_a_command):
    """The faults found with a camera that repeats a picture and has said its info once."""

    def examine(picture, info, *options: str, topic: str = '/image') -> list[str]:
        camera = graph.observer.create_publisher(type(picture), topic, 5)
        graph.observer.create_timer(0.05, lambda: camera.publish(picture))
        latched = graph.observer.create_publisher(CameraInfo, '/camera_info', LATCHED)
        latched.publish(info)
        doctor.main([*SURELY, '--release', str(tiny_release), *options])
        graph.observer.destroy_publisher(latched)  # or the next may hear this one's info last
        lines = capsys.readouterr().out.splitlines()
        return [line[18:] for line in lines if line.startswith('FAULT')]

    return examine


def test_a_camera_is_heard_as_the_node_hears_it_its_latched_info_too(examined):
    assert examined(image(), camera_info()) == []


def test_the_nodes_logger_is_left_as_it_was(examined):
    level = get_logger('sds_perception').get_effective_level()
    examined(image(), camera_info())
    assert get_logger('sds_perception').get_effective_level() == level


def test_pictures_of_the_other_kind_are_a_fault_with_the_nodes_own_advice(examined):
    picture = CompressedImage(format='png')
    picture.data.frombytes(encode_png(np.zeros((48, 64, 3), np.uint8)).data)
    topic = '/image/compressed'
    said, *_ = examined(picture, camera_info(), *IN_VAIN, '--image-topic', topic, topic=topic)
    assert said.startswith(f'{topic} carries CompressedImage, wanted Image: set image_transport')


def test_compressed_pictures_are_heard_where_the_node_is_told_so(examined):
    picture = CompressedImage(format='png')
    picture.header.frame_id = 'cam'
    picture.data.frombytes(encode_png(np.zeros((48, 64, 3), np.uint8)).data)
    transport = ('--image-transport', 'compressed')
    assert examined(picture, camera_info(), *transport, topic='/image/compressed') == []


@pytest.mark.parametrize(
    ('picture', 'info', 'sentence'),
    [
        (image(frame=''), camera_info(frame=''), "frame_id is '' on /image"),
        (image(), camera_info(frame='lidar'), "frame ids differ: image 'cam', camera_info 'lida"),
        (image(), camera_info(width=32), 'camera_info is for 32x48, the image is 64x48'),
    ],
)
def test_what_the_node_would_warn_of_is_a_fault(examined, picture, info, sentence):
    (said,) = examined(picture, info)
    assert said.startswith(sentence)


@pytest.mark.parametrize(
    ('stamp', 'options', 'sentence'),
    [
        (1.0, ('--ros-args', '-p', 'max_age_s:=0.5'), 'frames are too old, the last '),
        (2e9, (), 'frames are stamped '),
        (1.0, (*IN_VAIN, *SIM_TIME), 'use_sim_time is true and no /clock arrives'),
    ],
)
def test_stamps_and_clocks_the_node_would_complain_of_are_faults(
    examined, stamp, options, sentence
):
    picture = image()
    picture.header.stamp.sec = int(stamp)
    (said,) = examined(picture, camera_info(), *options)
    assert said.startswith(sentence)


def test_a_clock_that_comes_after_the_first_picture_is_no_fault(graph, examined):
    ticks, waited = graph.observer.create_publisher(Clock, '/clock', 1), []

    def tick() -> None:
        waited.extend(['a while'] * graph.observer.count_subscribers('/image'))
        if len(waited) > 10:
            ticks.publish(Clock(clock=image().header.stamp))

    graph.observer.create_timer(0.05, tick)
    assert examined(image(), camera_info(), *SIM_TIME) == []


def test_a_rectified_camera_is_known_by_its_projection_alone(examined):
    info = camera_info()
    info.k[0] = 0.0
    lens = ('--ros-args', '-p', 'lens:=rectified')
    info.p[0], info.p[5], info.p[2], info.p[6], info.p[10] = 60.0, 60.0, 31.5, 23.5, 1.0
    assert examined(image(), info, *lens) == []
    info.p[0] = 0.0
    (said,) = examined(image(), info, *lens)
    assert said.startswith('uncalibrated CameraInfo on /camera_info, P[0] is 0')


def test_a_hood_mask_the_node_would_refuse_every_picture_for_is_a_fault(examined, tmp_path):
    for shape, faults in (((48, 64), 0), ((64, 64), 1)):
        mask = np.zeros(shape, np.uint8)
        mask[-8:] = 255
        cv2.imwrite(str(tmp_path / 'hood.png'), mask)
        given = ('--ros-args', '-p', f'hood_mask:={tmp_path}/hood.png')
        said = [each for each in examined(image(), camera_info(), *given) if 'hood mask' in each]
        assert len(said) == faults and all('is 64x64, the picture 64x48' in each for each in said)


def test_several_cameras_are_all_looked_for(examined):
    remapped = ('-p', 'cameras:=[front, rear]', '-r', 'front/image:=/image')
    said = examined(image(), camera_info(), *IN_VAIN, '--ros-args', *remapped)
    assert said[0].startswith('no CameraInfo on /front/camera_info')
    assert said[0].endswith('of that type there is /camera_info')
    assert said[1] == 'no publisher on /rear/image; of that type there is /image'
