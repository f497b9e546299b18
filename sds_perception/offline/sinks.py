"""Where scenes go: files a person can open, or a bag like the node's own recording."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from sds_perception import render
from sds_perception.image_codec import encode_jpeg, encode_png
from sds_perception.labels import label_table_json
from sds_perception.metric_scale import ScaleEstimate
from sds_perception.offline.frames import Frame, OfflineError, Skipped
from sds_perception.scene import Scene, millimetres

if TYPE_CHECKING:
    from sds_perception.offline.bag_writer import BagWriter

BAG_PREFIX = '/sds_perception'  # the node's own name, so that its consumers find the topics


class Sink(Protocol):
    """Takes every scene of a run, in order; a run without any leaves nothing behind."""

    origin: Mapping[str, object]  # what made the run; to be set before the first scene

    def write(self, frame: Frame, scene: Scene, estimate: ScaleEstimate | None) -> None:
        """Store one scene with the frame it was made from."""
        ...

    def left_out(self, skipped: Sequence[Skipped]) -> None:
        """Store, after the last scene, which frames could not be used and why."""
        ...

    def report(self) -> list[str]:
        """What was written, a line each; the last one is the digest."""
        ...


class FileSink(AbstractContextManager['FileSink']):
    """A folder per product, a file per frame, and what they are, in JSON.

    `run.json` tells what made them, `label_info.json` the names of the labels, `frames.jsonl` a
    line of each frame, `skipped.jsonl` of each that could not be used, if there is any.

    Depth is float32 .npy in its own unit, under `depth_m/` when that is metres and under
    `depth_relative/` when it has none; with `depth_png` metres become 16-bit millimetres, 0 where
    unknown or beyond 65.5 m, under `depth_mm/`.
    """

    def __init__(self, folder: Path, *, pictures: bool = True, depth_png: bool = False) -> None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OfflineError(f'{folder} exists already and is not an empty folder')
        require_room(folder)
        self._folder, self._pictures, self._depth_png = folder, pictures, depth_png
        self._digest, self._counts = hashlib.sha256(), Counter[str]()  # files; lines of the list
        self.origin: Mapping[str, object] = {}

    def __exit__(self, *_: object) -> None:
        """Nothing is left to do: what was written is whole after every frame."""

    def write(self, frame: Frame, scene: Scene, estimate: ScaleEstimate | None) -> None:
        """Write labels, depth, confidence and, for people, overlay and sheet of one frame."""
        if not self._counts:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._put(Path('run.json'), (json.dumps(self.origin, indent=2) + '\n').encode())
            self._put(Path('label_info.json'), (label_table_json() + '\n').encode())
        self._file('labels', f'{frame.name}.png', encode_png(scene.labels).tobytes())
        self._file('confidence', f'{frame.name}.png', encode_png(scene.confidence).tobytes())
        self._depth(frame.name, scene)
        if self._pictures:
            rgb = scene.fitted(frame.rgb)
            tinted = render.overlay(rgb, scene.labels)
            self._file('overlay', f'{frame.name}.jpg', encode_jpeg(tinted).tobytes())
            sheet = render.side_by_side(rgb, scene)
            self._file('side_by_side', f'{frame.name}.jpg', encode_jpeg(sheet).tobytes())
        self._put(
            Path('frames.jsonl'), (json.dumps(_line(frame, scene, estimate)) + '\n').encode()
        )

    def left_out(self, skipped: Sequence[Skipped]) -> None:
        """Write `skipped.jsonl`, where there is any other file."""
        lines = [json.dumps({'name': each.name, 'reason': each.reason}) for each in skipped]
        if lines and self._counts:
            self._put(Path('skipped.jsonl'), ('\n'.join(lines) + '\n').encode())

    def report(self) -> list[str]:
        """Counts per folder and the digest over names and bytes of all files."""
        if not self._counts:
            return []
        names = [f'{count} in {name}' for name, count in sorted(self._counts.items())]
        lines = [f'{self._folder}: {", ".join(names)}', f'digest {self._digest.hexdigest()}']
        unscaled = self._counts.get('depth_relative', 0)
        if self._depth_png and unscaled:
            return [f'{unscaled} frames have no metres for --depth-png: depth_relative', *lines]
        return lines

    def _depth(self, name: str, scene: Scene) -> None:
        if scene.depth_kind == 'metric' and self._depth_png:
            self._file('depth_mm', f'{name}.png', encode_png(millimetres(scene.depth)).tobytes())
            return
        buffer = io.BytesIO()
        np.save(buffer, scene.depth)
        folder = 'depth_m' if scene.depth_kind == 'metric' else 'depth_relative'
        self._file(folder, f'{name}.npy', buffer.getvalue())

    def _file(self, folder: str, name: str, data: bytes) -> None:
        (self._folder / folder).mkdir(exist_ok=True)
        self._put(Path(folder, name), data)

    def _put(self, path: Path, data: bytes) -> None:
        file = self._folder / path
        listed = path.suffix == '.jsonl'
        before = file.stat().st_size if listed and file.exists() else 0
        try:
            with file.open('ab' if listed else 'xb') as stream:
                stream.write(data)
        except OSError as problem:
            if listed:
                with suppress(OSError):
                    os.truncate(file, before)  # half a line would spoil the list
            elif problem.errno != errno.EEXIST:
                file.unlink(missing_ok=True)  # half a picture would pass for one
            raise OfflineError(f'{file} cannot be written: {problem}') from problem
        self._counts[path.parts[0]] += 1
        self._digest.update(f'{path.as_posix()} {len(data)} '.encode())
        self._digest.update(data)


class BagSink(AbstractContextManager['BagSink']):
    """Five of the node's topics, four with the stamps and frame ids of the input.

    The origin of the run is in metadata.yaml, as `sds_perception` of its custom data.
    """

    def __init__(self, path: Path, storage: str) -> None:
        if path.exists():
            raise OfflineError(f'{path} exists already')
        require_room(path)
        self._path, self._storage = path, storage
        self._bag: BagWriter | None = None
        self.origin: Mapping[str, object] = {}

    def __exit__(self, *_: object) -> None:
        """Close the bag so that it can be read, also of a run that was stopped."""
        if self._bag is not None:
            self._bag.__exit__()

    def write(self, frame: Frame, scene: Scene, estimate: ScaleEstimate | None) -> None:
        """Write labels, depth, confidence and camera_info of one frame."""
        bag = self._bag = self._bag or self._begun(frame)
        depth = 'depth' if scene.depth_kind == 'metric' else 'depth_relative'
        bag.image(f'{BAG_PREFIX}/labels', scene.labels, 'mono8', frame)
        bag.image(f'{BAG_PREFIX}/{depth}', scene.depth, '32FC1', frame)
        bag.image(f'{BAG_PREFIX}/confidence', scene.confidence, 'mono8', frame)
        if frame.calibration is not None and scene.camera is not None:
            topic = f'{BAG_PREFIX}/camera_info'
            bag.camera_info(topic, frame.calibration, scene.camera, frame)

    def left_out(self, skipped: Sequence[Skipped]) -> None:
        """Nothing: a bag holds what was perceived."""

    def report(self) -> list[str]:
        """Counts per topic and the digest over (topic, time, bytes) of all messages."""
        if self._bag is None:
            return []
        names = [f'{count} on {topic}' for topic, count in self._bag.counts.items()]
        return [f'{self._path}: {", ".join(names)}', f'digest {self._bag.digest}']

    def _begun(self, first: Frame) -> BagWriter:
        """The bag, with the names of the labels before all else."""
        from sds_perception.offline.bag_writer import BagWriter  # needs rosbags, files do not

        origin = {'sds_perception': json.dumps(self.origin)}
        bag = BagWriter(self._path, self._storage, custom=origin)
        bag.latched_text(f'{BAG_PREFIX}/label_info_json', label_table_json(), first)
        return bag


def require_room(path: Path) -> None:
    """Refuse an output that cannot be made, before the work that is to fill it."""
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise OfflineError(f'{path} cannot be made: {there} is no folder that can be written')


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
        'camera': scene.camera and asdict(scene.camera),
        'scale': scale,
    }
