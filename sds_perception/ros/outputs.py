"""What one camera's scene becomes on topics: only what somebody subscribed to, one header.

| topic under the prefix | type | content |
|---|---|---|
| labels | Image mono8 | Cityscapes train ids, 255 unlabelled |
| depth | Image 32FC1 (m) or 16UC1 (mm) | metric: as in REP 118, NaN (0) too far as well |
| depth_relative | Image 32FC1 | depth without a scale; published only while it is not metric |
| confidence | Image mono8 | class probability, 0..255 for 0..1 |
| overlay, depth_color | Image bgr8 | pictures for people |
| points | PointCloud2 | organised x y z rgb label confidence, NaN where unknown |
| camera_info | CameraInfo | of the published size |
| label_info, label_info_json | LabelInfo, String | class names, latched |
| labels/compressed | CompressedImage png | never JPEG: a mask must not change |
| overlay/compressed, depth_color/compressed | CompressedImage jpeg | pictures for people |
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import Header, String

from sds_perception import render
from sds_perception.calibration import Calibration
from sds_perception.camera import Camera
from sds_perception.image_codec import encode_jpeg, encode_png
from sds_perception.labels import label_table_json
from sds_perception.pointcloud import CloudMaker
from sds_perception.ros.messages import (
    CloudWriter,
    ImageWriter,
    compressed_message,
    depth_picture,
    label_info_message,
)
from sds_perception.ros.node_config import NodeConfig
from sds_perception.ros.qos import LATCHED, NO_PUBLISHER_EVENTS, OUTPUT
from sds_perception.scene import Scene

IMAGES = ('labels', 'depth', 'depth_relative', 'confidence', 'overlay', 'depth_color')
COMPRESSED = ('labels', 'overlay', 'depth_color')


@dataclass(frozen=True)
class Seen:
    """One frame and its scene on their way out."""

    rgb: NDArray[np.uint8]  # (H, W, 3), of the size the network was given
    scene: Scene
    header: Header  # of the input, untouched
    calibration: Calibration | None

    @cached_property
    def picture(self) -> NDArray[np.uint8]:
        """The frame at the scene's size, (h, w, 3)."""
        return self.scene.fitted(self.rgb)


class Outputs:
    """The publishers of one camera under `prefix`, such as '~' or '~/front'."""

    _kept_maker: CloudMaker | None

    def __init__(self, node: LifecycleNode, prefix: str) -> None:
        self._node = node
        self._publishers: dict[str, Any] = {}
        self._writers = {name: ImageWriter() for name in IMAGES}
        self._cloud_writer, self._kept_maker = CloudWriter(), None
        for name in IMAGES:
            self._offer(name, Image, f'{prefix}/{name}')
        for name in COMPRESSED:
            base = node.resolve_topic_name(f'{prefix}/{name}')  # follows a remap of the base
            self._offer(f'{name}/compressed', CompressedImage, f'{base}/compressed')
        self._offer('camera_info', CameraInfo, f'{prefix}/camera_info')
        self._offer('points', PointCloud2, f'{prefix}/points')

    def _offer(self, name: str, kind: type, topic: str) -> None:
        self._publishers[name] = _publisher(self._node, kind, topic, OUTPUT)

    def destroy(self) -> None:
        """Withdraw all publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers.clear()

    def wanted(self) -> bool:
        """Somebody subscribes to something, so the network has to run."""
        return any(self._wants(name) for name in self._publishers)

    def _wants(self, name: str) -> bool:
        return bool(self._publishers[name].get_subscription_count())

    def publish(self, seen: Seen, config: NodeConfig) -> None:
        """Publish each output somebody subscribes to, all with the input's header."""
        scene, metric = seen.scene, seen.scene.depth_kind == 'metric'
        if self._wants('labels'):
            self._image('labels', scene.labels, 'mono8', seen.header)
        if metric and self._wants('depth'):
            picture = depth_picture(scene.depth, config.depth_encoding)
            self._image('depth', picture, config.depth_encoding, seen.header)
        if not metric and self._wants('depth_relative'):
            self._image('depth_relative', scene.depth, '32FC1', seen.header)
        if self._wants('confidence'):
            self._image('confidence', scene.confidence, 'mono8', seen.header)
        if self._wants('labels/compressed'):
            self._file('labels', encode_png(scene.labels), 'png', seen.header)
        self._publish_pictures(seen, config)
        self._publish_geometry(seen, config)

    def _publish_pictures(self, seen: Seen, config: NodeConfig) -> None:
        """The coloured ones, each drawn at most once."""
        scene = seen.scene
        draw = {
            'overlay': lambda: render.overlay(seen.picture, scene.labels, config.overlay_alpha),
            'depth_color': lambda: render.color_depth(scene.depth),
        }
        for name, picture_of in draw.items():
            raw, compressed = self._wants(name), self._wants(f'{name}/compressed')
            if not (raw or compressed):
                continue
            picture = picture_of()
            if compressed:
                jpeg = encode_jpeg(picture, config.jpeg_quality)
                self._file(name, jpeg, 'jpeg', seen.header)
            if raw:
                bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
                self._image(name, bgr, 'bgr8', seen.header)

    def _publish_geometry(self, seen: Seen, config: NodeConfig) -> None:
        """What needs the camera; the info goes last, so its images are there when it arrives."""
        if seen.calibration is None or seen.scene.camera is None:
            return
        if seen.scene.depth_kind == 'metric' and self._wants('points'):
            points = self._cloud_maker(seen.scene.camera, config.cloud_decimation)(
                seen.scene, seen.picture
            )
            self._publishers['points'].publish(self._cloud_writer.fill(points, seen.header))
        if self._wants('camera_info'):
            fields = seen.calibration.published(seen.scene.camera)
            info = CameraInfo(header=seen.header, **fields)
            self._publishers['camera_info'].publish(info)

    def _cloud_maker(self, camera: Camera, decimation: int) -> CloudMaker:
        """The one kept from the last frame, as long as camera and decimation stay the same."""
        decimation = min(decimation, camera.width, camera.height)
        kept = self._kept_maker
        if kept is None or (kept.camera, kept.decimation) != (camera, decimation):
            self._kept_maker = kept = CloudMaker(camera, decimation)
        return kept

    def _image(self, name: str, picture: NDArray[Any], encoding: str, header: Header) -> None:
        self._publishers[name].publish(self._writers[name].fill(picture, encoding, header))

    def _file(self, name: str, data: NDArray[np.uint8], kind: str, header: Header) -> None:
        self._publishers[f'{name}/compressed'].publish(compressed_message(data, kind, header))


def _publisher(node: LifecycleNode, kind: type, topic: str, qos: QoSProfile) -> Any:
    return node.create_lifecycle_publisher(kind, topic, qos, event_callbacks=NO_PUBLISHER_EVENTS)


class LabelNames:
    """The class table on latched topics: JSON always, LabelInfo where vision_msgs is installed."""

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._json = _publisher(node, String, '~/label_info_json', LATCHED)
        self._info = None
        message = label_info_message(Header())
        if message is not None:
            kind = type(message)
            self._info = _publisher(node, kind, '~/label_info', LATCHED)

    def publish(self, header: Header) -> None:
        """Publish the table; late subscribers receive it too."""
        self._json.publish(String(data=label_table_json()))
        if self._info is not None:
            self._info.publish(label_info_message(header))

    def destroy(self) -> None:
        """Withdraw the publishers."""
        for publisher in (self._json, self._info):
            if publisher is not None:
                self._node.destroy_lifecycle_publisher(publisher)
