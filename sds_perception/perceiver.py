"""Frame in, Scene out: the one path from pixels to meaning and distance.

The ROS node, the offline tool and the evaluation all call a `Perceiver`, so what is measured is
what is shipped. It is also the only caller of an engine.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Sequence
from time import perf_counter

import cv2
import numpy as np
from numpy.typing import NDArray

from sds_perception.brightness import brightened
from sds_perception.camera import Camera
from sds_perception.engines import Engine, EngineOutput
from sds_perception.engines.graph import Detail
from sds_perception.engines.parity import ParityReport, build_checked_engine
from sds_perception.labels import SKY
from sds_perception.network.disparity import inverse_depth
from sds_perception.release import Release, named_release
from sds_perception.resampling import labels_of, resized_to
from sds_perception.scene import DepthKind, Scene


class FrameError(ValueError):
    """A frame or camera the Perceiver cannot use; the message names what was found and wanted."""


class Perceiver:
    """Applies one release to frames of any size, several in one call; of any thread, in turn.

    Args:
        release: what to run.
        engine: how to run it; its input size may differ from the release's.
        output_size: 'camera', 'network' or a fraction of the frame's size, for the Scene.
        parity: of the engine that was asked for; one that failed is not the one that runs.
    """

    def __init__(
        self,
        release: Release,
        engine: Engine,
        *,
        output_size: str | float = 'camera',
        parity: ParityReport | None = None,
    ) -> None:
        _check_output_size(output_size)
        self.release, self.engine = release, engine
        self.output_size, self.parity = output_size, parity
        self._one_call = threading.Lock()
        self._staging = np.empty((0, *engine.input_size, 3), np.uint8)

    @classmethod
    def from_release(
        cls,
        release: Release | str | os.PathLike[str],
        *,
        device: str = 'cpu',
        engine: str = 'torch',
        detail: Detail = 'fast',
        input_size: tuple[int, int] | None = None,
        output_size: str | float = 'camera',
        **engine_options: object,
    ) -> Perceiver:
        """Read the release, build the engine asked for, see that it agrees, and join them.

        A release may be named: by its file, or 'demo' for the one that ships with the package.
        An engine that cannot be had is refused; one that disagrees with the float32 reference is
        replaced by it, with a warning (`engines/parity.py`).
        """
        if not isinstance(release, Release):
            release = named_release(release)
        built, report = build_checked_engine(
            release, engine, device, input_size=input_size, detail=detail, **engine_options
        )
        return cls(release, built, output_size=output_size, parity=report)

    @property
    def refusal(self) -> str:
        """Why the reference runs in place of the engine asked for; '' where that one runs."""
        if self.parity is None or self.parity.passed:
            return ''
        return f'{self.parity}; {self.engine.name} runs in its place'

    def warm_up(self, calls: int = 3, frames: int = 1) -> None:
        """Run on black frames, as many per call, so that real ones do not pay for set-up."""
        black = np.zeros((*self.engine.input_size, 3), np.uint8)
        for _ in range(calls):
            self.perceive([black] * frames, [None] * frames)

    def __call__(self, rgb: NDArray[np.uint8], camera: Camera | None = None) -> Scene:
        """What is in one frame, (H, W, 3) uint8 RGB; `camera` must be of the frame's size."""
        return self.perceive((rgb,), (camera,))[0]

    def perceive(
        self,
        frames: Sequence[NDArray[np.uint8]],
        cameras: Sequence[Camera | None],
    ) -> list[Scene]:
        """One engine call for several frames, of possibly different sizes and cameras."""
        for rgb, camera in zip(frames, cameras, strict=True):
            _check(rgb, camera)
        with self._one_call:  # staging and the engine's outputs are made once and used again
            began = perf_counter()
            batch = self._prepared(frames)
            prepared = perf_counter()
            output = self.engine(batch)
            timings = {'prepare': prepared - began, 'network': perf_counter() - prepared}
            return [
                self._scene(output, place, rgb, camera, timings)
                for place, (rgb, camera) in enumerate(zip(frames, cameras, strict=True))
            ]

    def _prepared(self, frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """(B, h, w, 3) uint8 at the engine's size; resized and brightened while still bytes."""
        height, width = self.engine.input_size
        if len(self._staging) != len(frames):
            self._staging = np.empty((len(frames), height, width, 3), np.uint8)
        for rgb, place in zip(frames, self._staging, strict=True):
            cv2.resize(rgb, (width, height), dst=place, interpolation=cv2.INTER_LINEAR)
            bright = brightened(place, self.release.brightness)
            if bright is not place:
                place[:] = bright
        return self._staging

    def _scene(
        self,
        output: EngineOutput,
        place: int,
        rgb: NDArray[np.uint8],
        camera: Camera | None,
        timings: dict[str, float],
    ) -> Scene:
        began = perf_counter()
        size = self._scene_size(rgb.shape[0], rgb.shape[1])
        labels = labels_of(output, place, size)
        kind, ratio = self._lens(camera)
        scale = self.release.depth_scale * ratio
        return Scene(
            labels,
            self._depth(output.disparity[place], labels, scale),
            output.confidence[place].copy(),  # the engine writes the next frame's there
            kind,
            camera.resized(size[1], size[0]) if camera else None,
            {**timings, 'post': perf_counter() - began},
            ratio,
        )

    def _scene_size(self, height: int, width: int) -> tuple[int, int]:
        if self.output_size == 'camera':
            return height, width
        if self.output_size == 'network':
            return self.engine.input_size
        fraction = float(self.output_size)
        return max(1, round(height * fraction)), max(1, round(width * fraction))

    def _lens(self, camera: Camera | None) -> tuple[DepthKind, float]:
        """What kind of depth this frame gets, and its lens' focal length over the release's.

        Metric depth holds for the focal length (in network pixels) the release was trained with; a
        longer lens makes everything look nearer by the same ratio. Without intrinsics that
        ratio is unknown, so such depth is relative.
        """
        release = self.release
        if camera is None or release.camera is None or release.depth_kind == 'relative':
            return 'relative', 1.0
        height, width = self.engine.input_size
        seen = camera.resized(width, height)
        return 'metric', seen.fy / release.camera.fy

    def _depth(
        self, disparity: NDArray[np.float32], labels: NDArray[np.uint8], scale: float
    ) -> NDArray[np.float32]:
        """(H, W) depth. Its inverse is resized: blended metres make points that fly at edges."""
        nearest, farthest = self.release.network_config.depth_range
        # 1 / depth while it is small: bilinear weights add up to 1, so it resizes to the same.
        inverse = inverse_depth(disparity, (nearest * scale, farthest * scale))
        full = resized_to(inverse, (labels.shape[0], labels.shape[1]), cv2.INTER_LINEAR)
        depth: NDArray[np.float32] = np.divide(np.float32(1), full, out=full)
        np.copyto(depth, np.nan, where=labels == SKY)  # it has no depth to speak of
        return depth


def _check_output_size(output_size: str | float) -> None:
    if output_size in ('camera', 'network'):
        return
    try:
        usable = 0 < float(output_size) < math.inf
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(
            f"output size is {output_size!r}, wanted 'camera', 'network' or a positive fraction"
        )


def _check(rgb: NDArray[np.uint8], camera: Camera | None) -> None:
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or 0 in rgb.shape:
        raise FrameError(f'frame is {rgb.dtype} of shape {rgb.shape}, wanted uint8 (H, W, 3)')
    if camera is not None and (camera.height, camera.width) != rgb.shape[:2]:
        raise FrameError(
            f'camera is of a {camera.width}x{camera.height} picture, '
            f'the frame is {rgb.shape[1]}x{rgb.shape[0]}'
        )
