"""What the node published, read back from a recorded bag: scenes, pictures of them, scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message

from sds_perception import render
from sds_perception.labels import CLASSES, UNLABELLED
from sds_perception.offline.bag_source import open_bag, read
from sds_perception.ros.bags.bag_topics import message_class
from sds_perception.ros.messages import rgb_from_message
from sds_perception.ros.trial.drive import Drive
from sds_perception.scene import Scene

FAR_M = 80.0  # truth beyond this is not scored, as is usual
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


class Score:
    """Agreement with exact labels and depth, summed over frames."""

    def __init__(self) -> None:
        self._confusion = np.zeros((len(CLASSES), len(CLASSES) + 1), np.int64)
        self._errors: dict[str, list[float]] = {'AbsRel, median-scaled': [], 'AbsRel, metric': []}

    def add(self, scene: Scene, labels: NDArray[np.uint8], depth: NDArray[np.float32]) -> None:
        """Count one frame; `labels` (H, W) train ids and `depth` (H, W) metres are the truth."""
        known = labels != UNLABELLED
        guess = np.minimum(scene.labels[known], len(CLASSES)).astype(np.int64)
        cells = labels[known].astype(np.int64) * self._confusion.shape[1] + guess
        counts = np.bincount(cells, minlength=self._confusion.size)
        self._confusion += counts.reshape(self._confusion.shape)
        both = np.isfinite(depth) & (depth > 0) & (depth < FAR_M) & np.isfinite(scene.depth)
        if not both.any():
            return
        truth, found = depth[both], scene.depth[both]
        scaled = found * np.median(truth) / np.median(found)
        self._errors['AbsRel, median-scaled'].append(float(np.mean(abs(scaled - truth) / truth)))
        if scene.depth_kind == 'metric':
            self._errors['AbsRel, metric'].append(float(np.mean(abs(found - truth) / truth)))

    def summary(self) -> dict[str, float]:
        """mIoU over the classes present in the truth, and mean AbsRel over frames."""
        hit = np.diag(self._confusion).astype(float)
        true, guessed = self._confusion.sum(1), self._confusion[:, :-1].sum(0)
        present = true > 0
        iou = hit[present] / (true + guessed - hit)[present]
        figures = {'mIoU': float(iou.mean())} if present.any() else {}
        figures |= {name: float(np.mean(e)) for name, e in self._errors.items() if e}
        return {name: round(value, 4) for name, value in figures.items()}


def score_against_truth(bag: Path, node: str, drive: Drive) -> dict[str, float]:
    """Scores of all recorded scenes whose truth the drive carries; empty where it has none."""
    if not drive.truth_topics:
        return {}
    labels_topic, _ = drive.truth_topics
    score, truth = Score(), messages(drive.bag, drive.truth_topics)
    known: dict[int, dict[str, NDArray[Any]]] = {}
    for stamp_ns, scene in scenes(bag, node):
        while len(known.get(stamp_ns, ())) < 2 and (item := next(truth, None)):
            topic, taken_ns, message = item
            name = 'labels' if topic == labels_topic else 'depth'
            known.setdefault(taken_ns, {})[name] = plane(message)
        if len(known.get(stamp_ns, ())) == 2:
            score.add(scene, **known[stamp_ns])
        known = {taken_ns: each for taken_ns, each in known.items() if taken_ns > stamp_ns}
    return score.summary()
