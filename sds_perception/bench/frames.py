"""A whole frame: naive against ours end to end, and what lies outside the network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from sds_perception.bench import naive
from sds_perception.bench.cpu_engines import BASE, cpu_engines
from sds_perception.bench.figures import Budget, Figure, ratio, timed_rounds, times
from sds_perception.bench.networks import benched_release
from sds_perception.camera import Camera
from sds_perception.engines.reference_frames import synthetic_frames
from sds_perception.perceiver import Perceiver
from sds_perception.pointcloud import CloudMaker
from sds_perception.render import color_labels
from sds_perception.resampling import fine_labels, nearest_to, resized_to
from sds_perception.scene import Scene

FRAME_SIZES = {'720p': (720, 1280), '1080p': (1080, 1920)}
END_TO_END_GOALS = {'vehicle': '>= 2.5', 'tiny': '>= 8'}


def end_to_end_figures(
    name: str, size: tuple[int, int], cache: Path, budget: Budget
) -> list[Figure]:
    """BGR frame in; labels, colours and depth of its size out, by both pipelines."""
    release = benched_release(name, size)
    plain = naive.NaivePipeline(release.network(), size)
    engines = cpu_engines(release, cache)
    products = {each: Product(Perceiver(release, engine)) for each, engine in engines.items()}
    ours = products[BASE]
    figures: list[Figure] = []
    for kind, frame_size in FRAME_SIZES.items():
        group, bgr = f'{name} {size[1]}x{size[0]} {kind}', synthetic_frames(frame_size, 1)[0]
        runs = {'naive': plain, **products}
        timings = timed_rounds(
            {each: lambda run=run, bgr=bgr: run(bgr) for each, run in runs.items()}, budget
        )
        goals = [END_TO_END_GOALS.get(name, '') if kind == '720p' else '']
        goals.append('<= 5' if name == 'vehicle' else '')
        figures += [
            *times(group, timings),
            *(
                ratio(group, f'naive / ours, {each}', timings['naive'], timings[each], goals[0])
                for each in products
            ),
            Figure(group, 'outside the network', 100 * ours.outside, '%', goals[1]),
        ]
        ours.forget()
    return figures


class Product:
    """A BGR frame to a scene and its colours, as the node does it; remembers what took how long.

    Attributes:
        network_s: the least time that the engine took so far.
        rest_s: the least time that all the rest of a call took.
    """

    def __init__(self, perceiver: Perceiver) -> None:
        self.perceiver = perceiver
        self.forget()

    def forget(self) -> None:
        """Begin anew, such as for frames of another size."""
        self.network_s = self.rest_s = float('inf')

    @property
    def outside(self) -> float:
        """Share of a call that the engine has no part in, each at its best.

        Not the best call without the best network: on a busy machine these are two calls, and
        what one of them waited longer would count as ours.
        """
        return self.rest_s / (self.rest_s + self.network_s)

    def __call__(self, bgr: NDArray[np.uint8]) -> tuple[Scene, NDArray[np.uint8]]:
        """The scene and its labels in colours, both (H, W)."""
        began = perf_counter()
        scene = self.perceiver(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
        colors, network_s = color_labels(scene.labels), scene.timings['network']
        self.network_s = min(self.network_s, network_s)
        self.rest_s = min(self.rest_s, perf_counter() - began - network_s)
        return scene, colors


def step_figures(budget: Budget, stride_size: tuple[int, int] = (128, 256)) -> list[Figure]:
    """Each step before and after the network by itself, for a network input of 1024x512."""
    figures: list[Figure] = []
    for kind, size in FRAME_SIZES.items():
        steps = _steps(size, stride_size)
        timings = timed_rounds(steps, budget)
        figures += times(kind, timings)
        for ours, goal in (
            ('prepare', '>= 7'),
            ('labels fast', '>= 25'),
            ('labels fine', '>= 5'),
            ('cloud', '>= 6'),
        ):
            step = ours.split()[0]
            figures.append(
                ratio(kind, f'gain of {ours}', timings[f'{step} naive'], timings[ours], goal)
            )
    return figures


def _steps(size: tuple[int, int], small: tuple[int, int]) -> dict[str, Callable[[], object]]:
    rng = np.random.default_rng(0)
    bgr, network_size = synthetic_frames(size, 1)[0], (small[0] * 4, small[1] * 4)
    staging = np.empty((*network_size, 3), np.uint8)
    logits = _smooth_scores(rng, small)
    labels, disparity = logits.argmax(axis=0).astype(np.uint8), rng.random(small, np.float32)
    camera = Camera(1000.0, 1000.0, size[1] / 2, size[0] / 2, size[1], size[0])
    clouds, depth = CloudMaker(camera), resized_to(disparity, size, cv2.INTER_LINEAR)
    full = nearest_to(labels, size)
    scene = Scene(full, depth, full, 'metric', camera)
    width_height = network_size[::-1]
    return {
        'prepare naive': lambda: naive.prepared(bgr, network_size),
        'prepare': lambda: cv2.resize(
            cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), width_height, dst=staging
        ),
        'labels naive': lambda: naive.labels_of(torch.from_numpy(logits[None]), size),
        'labels fast': lambda: nearest_to(labels, size),
        'labels fine': lambda: fine_labels(logits, size),
        'cloud naive': lambda: naive.cloud_of(scene),
        'cloud naive, x y z alone': lambda: naive.points_of(depth, camera.matrix).tobytes(),
        'cloud': lambda: clouds(scene),
    }


def _smooth_scores(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float32]:
    """19 planes with regions and borders, as a trained network gives them."""
    planes = [cv2.GaussianBlur(rng.normal(size=size).astype(np.float32), (0, 0), 8) * 24
              for _ in range(19)]  # fmt: skip
    return np.stack(planes) + rng.normal(0, 2, (19, 1, 1)).astype(np.float32)
