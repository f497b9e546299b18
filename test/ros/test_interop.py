"""What ROS's own Python tools read in our messages; they come with ROS and are on no index."""

from __future__ import annotations

from inspect import signature

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from sds_perception.camera import Camera
from sds_perception.pointcloud import CLOUD_LAYOUT, CloudMaker
from sds_perception.ros.messages import CloudWriter, ImageWriter, compressed_message
from sds_perception.scene import Scene

SIZE = (12, 16)  # (H, W)


def cloud() -> NDArray[np.void]:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 19, SIZE, dtype=np.uint8)
    depth = rng.uniform(1, 50, SIZE).astype(np.float32)
    depth[3, 5] = np.nan
    camera = Camera(20.0, 20.0, 7.5, 5.5, SIZE[1], SIZE[0])
    return CloudMaker(camera)(Scene(labels, depth, labels * 10, 'metric', camera)).copy()


def test_sensor_msgs_py_reads_every_field_of_the_cloud() -> None:
    tool = pytest.importorskip('sensor_msgs_py.point_cloud2', reason='no sensor_msgs_py')
    points = cloud()
    read = tool.read_points(CloudWriter().fill(points, Header(frame_id='cam')))
    assert read.dtype.names == points.dtype.names
    for name in points.dtype.names:
        np.testing.assert_array_equal(read[name], points[name].ravel())


def test_sensor_msgs_py_would_write_the_same_bytes() -> None:
    tool = pytest.importorskip('sensor_msgs_py.point_cloud2', reason='no sensor_msgs_py')
    points, header = cloud(), Header(frame_id='cam')
    ours = CloudWriter().fill(points, header)
    if 'point_step' not in signature(tool.create_cloud).parameters:
        pytest.skip('this sensor_msgs_py cannot be told the size of a point')
    flat = points.ravel()  # what is organised it writes with its two axes swapped
    theirs = tool.create_cloud(header, ours.fields, flat, point_step=ours.point_step)
    assert theirs.point_step == ours.point_step == CLOUD_LAYOUT.point_step
    assert bytes(theirs.data) == bytes(ours.data)
    assert theirs.fields == ours.fields


@pytest.mark.parametrize(
    ('encoding', 'kind', 'channels'),
    [
        ('mono8', np.uint8, 1),
        ('bgr8', np.uint8, 3),
        ('32FC1', np.float32, 1),
        ('16UC1', np.uint16, 1),
    ],
)
def test_cv_bridge_reads_every_picture(encoding: str, kind: type, channels: int) -> None:
    bridge = pytest.importorskip('cv_bridge', reason='no cv_bridge').CvBridge()
    pytest.importorskip('cv_bridge.boost.cv_bridge_boost', reason='cv_bridge is not compiled')
    shape = SIZE if channels == 1 else (*SIZE, channels)
    picture = np.random.default_rng(0).integers(0, 200, shape).astype(kind)
    message = ImageWriter().fill(picture, encoding, Header())
    np.testing.assert_array_equal(bridge.imgmsg_to_cv2(message), picture)


def test_cv_bridge_reads_the_label_picture_without_loss() -> None:
    bridge = pytest.importorskip('cv_bridge', reason='no cv_bridge').CvBridge()
    labels = np.random.default_rng(0).integers(0, 19, SIZE, dtype=np.uint8)
    message = compressed_message(cv2.imencode('.png', labels)[1], 'png', Header())
    assert isinstance(message, CompressedImage)
    read = bridge.compressed_imgmsg_to_cv2(message, 'passthrough')
    np.testing.assert_array_equal(read, labels)
