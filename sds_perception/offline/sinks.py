"""Where scenes go: files a person can open, or a bag like the node's own recording."""

from __future__ import annotations

import hashlib
import io
import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from sds_perception import render
from sds_perception.image_codec import encode_jpeg, encode_png
from sds_perception.metric_scale import ScaleEstimate
from sds_perception.offline.frames import Frame, OfflineError
from sds_perception.resampling import resized_to
from sds_perception.scene import Scene

BAG_PREFIX = '/sds_perception'  # the node's own name, so that its consumers find the topics
_FARTHEST_MM = np.iinfo(np.uint16).max


class Sink(Protocol):
    """Takes every scene of a run, in order."""

    def write(self, frame: Frame, scene: Scene, estimate: ScaleEstimate | None) -> None:
        """Store one scene with the frame it was made from."""
        ...

    def report(self) -> list[str]:
        """What was written, a line each; the last one is the digest."""
        ...


class FileSink(AbstractContextManager['FileSink']):
    """A folder per product, a file per frame, and `frames.jsonl` that says what each one is.

    Depth is float32 .npy in its own unit, under `depth_m/` when that is metres and under
    `depth_relative/` when it has none; with `depth_png` metres become 16-bit millimetres, 0 where
    unknown or beyond 65.5 m, under `depth_mm/`.
    """

    def __init__(self, folder: Path, *, pictures: bool = True, depth_png: bool = False) -> None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OfflineError(f'{folder} exists already and is not an empty folder')
        self._folder, self._pictures, self._depth_png = folder, pictures, depth_png
        self._digest, self._counts = hashlib.sha256(), {'frames.jsonl': 1}
        self._lines: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)

    def __exit__(self, *_: object) -> None:
        """Write the list of frames, also of a run that was stopped."""
        self._put(Path('frames.jsonl'), ''.join(self._lines).encode())

    def write(self, frame: Frame, scene: Scene, estimate: ScaleEstimate | None) -> None:
        """Write labels, depth, confidence and, for people, overlay and sheet of one frame."""
        self._file('labels', f'{frame.name}.png', encode_png(scene.labels).tobytes())
        self._file('confidence', f'{frame.name}.png', encode_png(scene.confidence).tobytes())
        self._depth(frame.name, scene)
        if self._pictures:
            rgb = _picture(frame, scene)
            tinted = render.overlay(rgb, scene.labels)
            self._file('overlay', f'{frame.name}.jpg', encode_jpeg(tinted).tobytes())
            sheet = render.side_by_side(rgb, scene)
            self._file('side_by_side', f'{frame.name}.jpg', encode_jpeg(sheet).tobytes())
        self._lines.append(json.dumps(_line(frame, scene, estimate)) + '\n')

    def report(self) -> list[str]:
        """Counts per folder and the digest over names and bytes of all files."""
        names = [f'{count} in {name}' for name, count in sorted(self._counts.items())]
        lines = [f'{self._folder}: {", ".join(names)}', f'digest {self._digest.hexdigest()}']
        unscaled = self._counts.get('depth_relative', 0)
        if self._depth_png and unscaled:
            return [f'{unscaled} frames have no metres for --depth-png: depth_relative', *lines]
        return lines

    def _depth(self, name: str, scene: Scene) -> None:
        if scene.depth_kind == 'metric' and self._depth_png:
            self._file('depth_mm', f'{name}.png', encode_png(_millimetres(scene.depth)).tobytes())
            return
        buffer = io.BytesIO()
        np.save(buffer, scene.depth)
        folder = 'depth_m' if scene.depth_kind == 'metric' else 'depth_relative'
        self._file(folder, f'{name}.npy', buffer.getvalue())

    def _file(self, folder: str, name: str, data: bytes) -> None:
        (self._folder / folder).mkdir(exist_ok=True)
        self._put(Path(folder, name), data)
        self._counts[folder] = self._counts.get(folder, 0) + 1

    def _put(self, path: Path, data: bytes) -> None:
        (self._folder / path).write_bytes(data)
        self._digest.update(f'{path.as_posix()} {len(data)} '.encode())
        self._digest.update(data)


class BagSink(AbstractContextManager['BagSink']):
    """The node's topics with the stamps and frame ids of the input."""

    def __init__(self, path: Path, storage: str) -> None:
        from sds_perception.offline.bag_writer import BagWriter  # needs rosbags, files do not

        self._path, self._bag = path, BagWriter(path, storage)

    def __exit__(self, *_: object) -> None:
        """Close the bag so that it can be read, also of a run that was stopped."""
        self._bag.__exit__()

    def write(self, frame: Frame, scene: Scene, estimate: ScaleEstimate | None) -> None:
        """Write labels, depth, confidence and camera_info of one frame."""
        depth = 'depth' if scene.depth_kind == 'metric' else 'depth_relative'
        self._bag.image(f'{BAG_PREFIX}/labels', scene.labels, 'mono8', frame)
        self._bag.image(f'{BAG_PREFIX}/{depth}', scene.depth, '32FC1', frame)
        self._bag.image(f'{BAG_PREFIX}/confidence', scene.confidence, 'mono8', frame)
        if frame.calibration is not None and scene.camera is not None:
            topic = f'{BAG_PREFIX}/camera_info'
            self._bag.camera_info(topic, frame.calibration, scene.camera, frame)

    def report(self) -> list[str]:
        """Counts per topic and the digest over (topic, time, bytes) of all messages."""
        names = [f'{count} on {topic}' for topic, count in self._bag.counts.items()]
        return [f'{self._path}: {", ".join(names)}', f'digest {self._bag.digest}']


def _picture(frame: Frame, scene: Scene) -> NDArray[np.uint8]:
    if frame.rgb.shape[:2] == scene.size:
        return frame.rgb
    return resized_to(frame.rgb, scene.size, cv2.INTER_AREA)


def _millimetres(depth_m: NDArray[np.float32]) -> NDArray[np.uint16]:
    millimetres = np.nan_to_num(depth_m * 1000.0, nan=0.0)
    millimetres[millimetres > _FARTHEST_MM] = 0
    return millimetres.round().astype(np.uint16)


def _line(frame: Frame, scene: Scene, estimate: ScaleEstimate | None) -> dict[str, object]:
    scale = estimate and {
        'factor': estimate.factor,
        'quality': round(estimate.quality, 4),
        'source': estimate.source,
        'status': estimate.status,
    }
    return {
        'name': frame.name,
        'stamp_ns': frame.stamp_ns,
        'frame_id': frame.frame_id,
        'depth_kind': scene.depth_kind,
        'scale': scale,
    }
