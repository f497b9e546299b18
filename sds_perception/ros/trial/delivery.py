"""Do all frames reach the node, and what does the node add to the network? Measured, printed.

    python -m sds_perception.ros.trial.delivery --release model.safetensors --device cuda

This process is the camera (best effort, as cameras are) and one consumer of labels and depth; the
node runs in another, with the shipped Fast DDS profile. Afterwards the same release is called
directly, without any ROS, on the same frames.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
import torch
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from sds_perception.calibration import pinhole
from sds_perception.camera import Camera
from sds_perception.engines import PRECISIONS, EngineError
from sds_perception.engines.choose import quickest_engine
from sds_perception.offline.frames import OfflineError
from sds_perception.perceiver import Perceiver
from sds_perception.release import ReleaseError
from sds_perception.ros.messages import ImageWriter
from sds_perception.ros.tool_node import tool_node
from sds_perception.ros.trial.vehicle_process import (
    NODE,
    VehicleError,
    active_node,
    wait_until,
)

_STAMP = struct.Struct('<iI')  # sec, nanosec of the header: the first fields of every image
_STAMP_AT = 4  # after the four bytes that open a CDR message


class CameraStandIn:
    """Publishes the same large picture at a steady rate, stamped with the moment it leaves."""

    def __init__(self, node: Node, frame: np.ndarray[Any, Any]) -> None:
        self.sent = 0
        self.publish_ms: list[float] = []
        self._images = node.create_publisher(Image, '/delivery/image', qos_profile_sensor_data)
        self._infos = node.create_publisher(CameraInfo, '/delivery/camera_info', 10)
        header = Header(frame_id='camera_optical_frame')
        height, width = frame.shape[:2]
        camera = Camera.guess(width, height)
        self._info = CameraInfo(header=header, **pinhole(camera).published(camera))
        # Serialised once: the benchmark is of the node, not of this publisher's packing.
        self._bytes = bytearray(serialize_message(ImageWriter().fill(frame, 'bgr8', header)))

    @property
    def heard(self) -> bool:
        """Whether the node has subscribed."""
        return self._images.get_subscription_count() > 0

    def run(self, seconds: float, rate_hz: float) -> None:
        """Send `seconds` x `rate_hz` frames, none early, none left out."""
        began = time.monotonic()
        for number in range(round(seconds * rate_hz)):
            time.sleep(max(began + number / rate_hz - time.monotonic(), 0.0))
            stamp = divmod(time.time_ns(), 1_000_000_000)
            _STAMP.pack_into(self._bytes, _STAMP_AT, *stamp)
            self._info.header.stamp.sec, self._info.header.stamp.nanosec = stamp
            self._infos.publish(self._info)
            left = time.perf_counter()
            self._images.publish(bytes(self._bytes))
            self.publish_ms.append((time.perf_counter() - left) * 1e3)
            self.sent += 1


class Consumer:
    """Receives labels and depth as bytes and notes how old the labels are."""

    def __init__(self, node: Node) -> None:
        self.age_ms: list[float] = []
        subscribe = node.create_subscription
        subscribe(Image, f'{NODE}/labels', self._note, qos_profile_sensor_data, raw=True)
        for depth in ('depth', 'depth_relative'):
            subscribe(Image, f'{NODE}/{depth}', lambda _: None, qos_profile_sensor_data, raw=True)

    def _note(self, data: bytes) -> None:
        seconds, nanoseconds = _STAMP.unpack_from(data, _STAMP_AT)
        self.age_ms.append((time.time_ns() - seconds * 1_000_000_000 - nanoseconds) / 1e6)


def measure(wanted: argparse.Namespace) -> dict[str, Any]:
    """Run node and camera, then the bare engine; every figure of the benchmark."""
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (wanted.height, wanted.width, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        report, camera, consumer = _through_node(wanted, frame, Path(folder))
        bare_ms = _bare_engine_ms(wanted, frame)
    (figures,) = report['cameras'].values()
    stages = figures['latency_ms']
    received = figures['counts'].get('received', 0)
    return {
        'sent': camera.sent,
        'received': received,
        'received_percent': round(100 * received / camera.sent, 2),
        'processed': figures['counts'].get('processed', 0),
        'consumed': len(consumer.age_ms),
        'camera_publish_ms': round(statistics.median(camera.publish_ms), 2),
        'stages_ms': stages,
        'bare_engine_ms': round(bare_ms, 2),
        'total_in_node_ms': _p50(stages, 'total'),
        'added_in_node_ms': round(_p50(stages, 'total') - bare_ms, 2),
        'added_with_transport_ms': round(_p50(stages, 'age') - bare_ms, 2),
        'at_consumer_ms': round(statistics.median(consumer.age_ms or [math.nan]), 2),
    }


def _p50(stages: dict[str, dict[str, float]], name: str) -> float:
    """Median milliseconds of a stage; NaN where no frame came so far."""
    return stages[name]['p50'] if name in stages else math.nan


def _through_node(
    wanted: argparse.Namespace, frame: np.ndarray[Any, Any], folder: Path
) -> tuple[dict[str, Any], CameraStandIn, Consumer]:
    parameters = {
        'release': str(wanted.release),
        'device': wanted.device,
        'engine': wanted.engine,
        'precision': wanted.precision,
        'output_size': wanted.output_size,
        'report_file': str(folder / 'report.json'),
    }
    remaps = {'image': '/delivery/image', 'camera_info': '/delivery/camera_info'}
    with tool_node('delivery', ['delivery']) as node:
        with active_node(node, parameters, remaps, folder / 'node.log'):
            camera, consumer = CameraStandIn(node, frame), Consumer(node)
            wait_until(lambda: camera.heard, 60.0, "the node's subscription")
            receiving = threading.Thread(target=_spin, args=(node,), daemon=True)
            receiving.start()
            camera.run(wanted.seconds, wanted.rate)
            time.sleep(1.0)  # what is under way arrives
        node.context.shutdown()
        receiving.join()
    return json.loads((folder / 'report.json').read_text()), camera, consumer


def _spin(node: Node) -> None:
    while node.context.ok():
        rclpy.spin_once(node, timeout_sec=0.1)


def _bare_engine_ms(
    wanted: argparse.Namespace, frame: np.ndarray[Any, Any], calls: int = 60
) -> float:
    """Median of the engine's own time, called directly on the same picture."""
    perceiver = Perceiver.from_release(
        wanted.release,
        device=wanted.device,
        engine=wanted.engine,
        precision=wanted.precision or None,
    )
    perceiver.warm_up()
    return 1e3 * statistics.median(perceiver(frame).timings['network'] for _ in range(calls))


def print_figures(figures: dict[str, Any]) -> None:
    """The figures for a person at a terminal."""
    print(
        f'  {figures["sent"]} frames sent, {figures["received"]} received by the node '
        f'({figures["received_percent"]} %), {figures["processed"]} processed'
    )
    for stage, each in figures['stages_ms'].items():
        print(f'  {stage:8s} p50 {each["p50"]:8.2f} ms   p95 {each["p95"]:8.2f} ms')
    print(f'  bare engine call {figures["bare_engine_ms"]} ms')
    print(f'  added inside the node {figures["added_in_node_ms"]} ms')
    print(f'  added from stamp to published {figures["added_with_transport_ms"]} ms')
    print(f'  labels reach a consumer {figures["at_consumer_ms"]} ms after the stamp')


def _parse(args: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='delivery', description=__doc__.splitlines()[0])
    add = parser.add_argument
    add('--release', type=Path, default='demo', help="file; default: the shipped 'demo'")
    add('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    add('--engine', help="the node's engine; default: the quicker one of this device")
    add('--precision', choices=PRECISIONS, default='', help="of the network; the engine's own")
    add('--width', type=int, default=1920)
    add('--height', type=int, default=1080)
    add('--rate', type=float, default=30.0, help='frames per second (30)')
    add('--seconds', type=float, default=10.0, help='how long (10)')
    add('--output-size', default='camera', help="the node's output_size (camera)")
    add('--json', type=Path, help='write the figures here too')
    wanted = parser.parse_args(args)
    if not wanted.engine:
        wanted.engine, precision = quickest_engine(wanted.device)
        wanted.precision = wanted.precision or precision
    return wanted


def main(args: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where not every frame reached the node."""
    wanted = _parse(args)
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    try:
        figures = measure(wanted)
    except (EngineError, OfflineError, ReleaseError, VehicleError) as problem:
        print(f'delivery: {problem}', file=sys.stderr)
        return 2
    print_figures(figures)
    if wanted.json:
        wanted.json.write_text(json.dumps(figures, indent=2) + '\n')
    return 0 if figures['received'] == figures['sent'] else 1


if __name__ == '__main__':
    sys.exit(main())
