"""What the node published, read back from a recorded bag: scenes, and pictures of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message

from sds_perception import render
from sds_perception.offline.bag_source import open_bag, read
from sds_perception.ros.bags.bag_topics import message_class
from sds_perception.ros.messages import rgb_from_message
from sds_perception.ros.trial.drive import Drive
from sds_perception.scene import Scene

PIXELS = {'mono8': np.uint8, '8UC1': np.uint8, '32FC1': np.float32}

Seen = tuple[NDArray[np.uint8], Scene]  # (H, W, 3) RGB and what the node made of it


def messages(bag: Path, topics: Sequence[str]) -> Iterator[tuple[str, int, Any]]:
    """Topic, header stamp in ns and message, in the bag's order."""
    with open_bag(bag) as reader:
        wanted = [each for each in reader.connections if each.topic in topics]
        for connection, _, data in read(reader, wanted):
            message = deserialize_message(bytes(data), message_class(connection.msgtype))
            stamp = message.header.stamp
            yield connection.topic, stamp.sec * 1_000_000_000 + stamp.nanosec, message


def plane(message: Any) -> NDArray[Any]:
    """(H, W) view of a one-channel Image without row padding."""
    return np.frombuffer(message.data, PIXELS[message.encoding]).reshape(message.height, -1)


def scenes(bag: Path, node: str) -> Iterator[tuple[int, Scene]]:
    """Stamp in ns and Scene of every frame whose labels, depth and confidence are all there."""
    parts = ('labels', 'depth', 'depth_relative', 'confidence')
    waiting: dict[int, dict[str, NDArray[Any]]] = {}
    for topic, stamp_ns, message in messages(bag, [f'{node}/{part}' for part in parts]):
        found = waiting.setdefault(stamp_ns, {})
        found[topic.rsplit('/', 1)[-1]] = plane(message)
        if len(found) == 3:
            kind = 'metric' if 'depth' in found else 'relative'
            depth = found['depth' if kind == 'metric' else 'depth_relative']
            yield stamp_ns, Scene(found['labels'], depth, found['confidence'], kind)
            del waiting[stamp_ns]


def seen(bag: Path, node: str, drive: Drive) -> Iterator[tuple[int, Seen]]:
    """Every recorded scene with the picture it was made from, matched by stamp."""
    pictures = messages(drive.bag, [drive.picture_topic])
    for stamp_ns, scene in scenes(bag, node):
        for _, taken_ns, message in pictures:
            if taken_ns == stamp_ns:
                yield stamp_ns, (rgb_from_message(message), scene)
                break


def kind_of_depth(bag: Path) -> str:
    """'metric', 'relative', 'relative, then metric' or 'none', by what was published."""
    with open_bag(bag) as reader:
        count = {each.topic.rsplit('/', 1)[-1]: each.msgcount for each in reader.connections}
    kinds = {'depth_relative': 'relative', 'depth': 'metric'}
    return ', then '.join(kinds[name] for name in kinds if count.get(name)) or 'none'


def contact_sheet(
    chosen: Sequence[Seen], width: int = 1920, columns: int = 2
) -> NDArray[np.uint8]:
    """(H, width, 3) RGB: camera, semantics, depth and confidence of each chosen frame."""
    cells = []
    for rgb, scene in chosen:
        sheet = render.side_by_side(rgb, scene)
        scale = width / columns / sheet.shape[1]
        size = (width // columns, round(sheet.shape[0] * scale))
        cells.append(cv2.resize(sheet, size, interpolation=cv2.INTER_AREA))
    height = max(cell.shape[0] for cell in cells)
    cells = [np.pad(cell, ((0, height - cell.shape[0]), (0, 0), (0, 0))) for cell in cells]
    cells += [np.zeros_like(cells[0])] * (-len(cells) % columns)
    rows = [np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)]
    return np.vstack(rows)


class Film:
    """An mp4 of overlay and coloured depth side by side; `close` finishes it."""

    def __init__(self, path: Path, rate_hz: float, tile_width: int = 640) -> None:
        self._path, self._rate_hz, self._tile_width = path, rate_hz, tile_width
        self._writer: cv2.VideoWriter | None = None

    def add(self, rgb: NDArray[np.uint8], scene: Scene) -> None:
        """Append one frame; the first decides the size."""
        pair = np.hstack((render.overlay(rgb, scene.labels), render.color_depth(scene.depth)))
        if self._writer is None:
            tile = min(self._tile_width, rgb.shape[1])
            self._size = (2 * tile, 2 * round(tile * rgb.shape[0] / rgb.shape[1] / 2))
            codec = cv2.VideoWriter.fourcc(*'mp4v')
            self._writer = cv2.VideoWriter(str(self._path), codec, self._rate_hz, self._size)
        pair = cv2.resize(pair, self._size, interpolation=cv2.INTER_AREA)
        self._writer.write(cv2.cvtColor(pair, cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.release()
