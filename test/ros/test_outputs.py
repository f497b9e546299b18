"""What parameters and calibration make of the same frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from node_graph import Graph, camera_info, image, until
from rclpy.lifecycle import LifecycleNode
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, PointCloud2

from sds_perception.image_codec import encode_jpeg
from sds_perception.pointcloud import CLOUD_LAYOUT
from sds_perception.ros.messages import rgb_from_message
from sds_perception.ros.outputs import Outputs


def test_an_overlay_of_no_weight_is_the_picture_itself_also_as_a_jpeg(graph: Graph) -> None:
    graph.active(overlay_alpha=0.0, jpeg_quality=1)
    overlays = graph.collect('overlay', qos=QoSProfile(depth=1))  # reliable, as RViz asks
    files = graph.collect('overlay/compressed', CompressedImage)
    graph.publisher().publish(image())
    until(lambda: overlays and files, 'both came')
    assert overlays[0].encoding == 'bgr8'
    assert bytes(overlays[0].data) == bytes(image().data)
    assert bytes(files[0].data) == encode_jpeg(rgb_from_message(image()), 1).tobytes()


def test_a_picture_that_is_wanted_as_a_jpeg_alone_comes_as_one(graph: Graph) -> None:
    graph.active(overlay_alpha=0.0, jpeg_quality=90)
    files = graph.collect('overlay/compressed', CompressedImage)
    graph.publisher().publish(image())
    until(lambda: files, 'the file came')
    assert bytes(files[0].data) == encode_jpeg(rgb_from_message(image()), 90).tobytes()


def test_a_compressed_output_follows_the_remap_of_its_base(graph: Graph) -> None:
    rule = ['--ros-args', '-r', '~/labels:=/mask']
    node = LifecycleNode('seer', context=graph.context, cli_args=rule)
    outputs = Outputs(node, '~')
    assert {'/mask', '/mask/compressed'} <= {each.topic_name for each in node.publishers}
    outputs.destroy()
    node.destroy_node()


def test_a_cloud_is_thinned_as_it_is_told_while_the_node_runs(graph: Graph) -> None:
    node = graph.active(fixed_scale=2.0, cloud_decimation=16)
    cloud = clouds_of(graph)
    until(lambda: (cloud(64.0).width, cloud(64.0).height) == (4, 3), 'every 16th pixel came')
    node.set_parameters([Parameter('cloud_decimation', value=60)])
    until(lambda: (cloud(64.0).width, cloud(64.0).height) == (1, 1), 'one was left')


def test_a_cloud_follows_the_focal_length_that_camera_info_tells(graph: Graph) -> None:
    graph.active(fixed_scale=2.0, max_depth_m=0.0)
    cloud = clouds_of(graph)
    for focal_px in (64.0, 32.0):

        def at_its_place(focal_px: float = focal_px) -> bool:
            first = np.frombuffer(cloud(focal_px).data, CLOUD_LAYOUT.dtype)[0]
            return first['x'] / first['z'] == pytest.approx((2 - 31.5) / focal_px, rel=1e-4)

        until(at_its_place, 'the first point lies on its ray')


def clouds_of(graph: Graph) -> Callable[[float], Any]:
    """Sends a frame of that focal length and gives the newest cloud."""
    clouds = graph.collect('points', PointCloud2)
    infos, images = graph.publisher('/camera_info', CameraInfo), graph.publisher()

    def newest(focal_px: float) -> PointCloud2:
        info = camera_info()
        info.k[0] = info.p[0] = focal_px
        infos.publish(info)
        images.publish(image())
        return until(lambda: clouds, 'a cloud came')[-1]

    return newest
