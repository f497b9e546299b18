"""Frames to compare and calibrate engines on: the user's own, or synthetic ones where none are."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sds_perception.engines import EngineError
from sds_perception.offline.frames import Frame, OfflineError, Source


def synthetic_frames(size: tuple[int, int], count: int = 4) -> NDArray[np.uint8]:
    """(count, H, W, 3) uint8 pictures with the statistics of a street; the same every time.

    A sky gradient over a textured ground, boxes of flat and striped colour between them, and a
    little sensor noise: a network answers smooth areas and edges here as it does in a photograph,
    which pure noise would not make it do.
    """
    return np.stack([_street(size, np.random.default_rng(seed)) for seed in range(count)])


def _street(size: tuple[int, int], draw: np.random.Generator) -> NDArray[np.uint8]:
    height, width = size
    horizon = round(height * draw.uniform(0.35, 0.5))
    picture = np.empty((height, width, 3), np.float32)
    sky, ground = _color(draw, 120, 240), _color(draw, 60, 140)
    fade = np.linspace(0.7, 1.1, horizon)[:, None, None]
    picture[:horizon] = sky * fade
    texture = draw.normal(0, 18, ((height - horizon) // 4 + 1, width // 4 + 1, 1)).astype('f4')
    texture = cv2.resize(texture, (width, height - horizon), interpolation=cv2.INTER_CUBIC)
    picture[horizon:] = ground + texture[..., None]
    for _ in range(14):
        _put_box(picture, horizon, draw)
    picture += draw.normal(0, 2, picture.shape)
    rounded: NDArray[np.uint8] = picture.clip(0, 255).astype(np.uint8)
    return rounded


def _color(draw: np.random.Generator, darkest: float, brightest: float) -> NDArray[np.float64]:
    """A brightness with a tint, as outdoors: strong colours are rare."""
    return draw.uniform(darkest, brightest) + draw.normal(0, 15, 3)


def _put_box(picture: NDArray[np.float32], horizon: int, draw: np.random.Generator) -> None:
    height, width = picture.shape[:2]
    tall, wide = (max(2, round(side * draw.uniform(0.05, 0.4))) for side in (height, width))
    bottom = min(height, horizon + round(tall * draw.uniform(0.2, 0.8)))
    left = int(draw.integers(-wide // 2, width - wide // 2))
    part = picture[max(0, bottom - tall) : bottom, max(0, left) : left + wide]
    part[:] = _color(draw, 20, 230)
    if draw.random() < 0.5:
        part[:, :: int(draw.integers(3, 12))] *= 0.6


def user_frames(
    path: str | os.PathLike[str], size: tuple[int, int], count: int, topic: str | None = None
) -> NDArray[np.uint8]:
    """Up to `count` frames of a folder, picture, video or bag, spread over all of it, at `size`.

    A bag's are those of `topic`, which means nothing elsewhere.

    Returns:
        (n, H, W, 3) uint8 RGB, resized as the Perceiver does; n is smaller for a shorter source
        and for one with frames that cannot be used.

    Raises:
        EngineError: when nothing there can be used.
    """
    # Imports the Perceiver, as we do not.
    from sds_perception.offline.command import is_bag, open_source

    path = Path(path)
    topic = topic if is_bag(path) else None  # beside it may be a bag, which has topics
    try:
        # Any camera: no frame needs one here, and so no CameraInfo of a bag is asked for one.
        source = open_source(Namespace(input=path, camera='60', topic=topic, lens='raw'))
        chosen = [
            cv2.resize(frame.rgb, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
            for frame in _spread(source, count)
        ]
    except (OfflineError, OSError) as problem:
        raise EngineError(f'frames of {path} cannot be used: {problem}') from problem
    if not chosen:
        raise EngineError(f'{path} holds no frame that can be used')
    return np.stack(chosen)


def _spread(source: Source, count: int) -> Iterator[Frame]:
    """What can be used of `count` frames; of the first ones where nobody knows how many come."""
    length = max(source.count, count)
    places = [number * length // count for number in range(count)]
    for number, frame in enumerate(islice(source.frames(), places[-1] + 1)):
        if number in places and isinstance(frame, Frame):
            yield frame
