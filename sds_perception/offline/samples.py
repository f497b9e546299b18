"""Some frames of a source, spread over all of it: to compare and to calibrate engines on."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sds_perception.brightness import brightened
from sds_perception.calibration import INTERPRETATIONS
from sds_perception.offline.frames import Frame, OfflineError, Skipped, Source
from sds_perception.offline.sources import is_bag, open_source

logger = logging.getLogger(__name__)


def add_sample_options(parser: argparse.ArgumentParser) -> None:
    """How frames of `user_frames` are to be seen: `topic`, `lens` and `camera`."""
    parser.add_argument('--topic', help='topic of the pictures, where a bag has several')
    lens = "the node's parameter lens: how the network is to see these pictures (default: raw)"
    parser.add_argument('--lens', choices=tuple(INTERPRETATIONS), default='raw', help=lens)
    calibration = 'their calibration, for --lens, where no bag has it'
    parser.add_argument('--camera', metavar='FILE', help=calibration)


def user_frames(
    path: Path,
    size: tuple[int, int],
    count: int,
    topic: str | None = None,
    *,
    camera: str | None = None,
    lens: str = 'raw',
    brightness: float = 0.0,
) -> NDArray[np.uint8]:
    """Up to `count` frames of a folder, picture, video or bag, spread over all of it, at `size`.

    A bag's are those of `topic`, which means nothing elsewhere. With a `lens` other than 'raw'
    they are as the node shows them to the network, by the CameraInfo of the bag or by `camera`.
    `brightness` is the release's.

    Returns:
        (n, H, W, 3) uint8 RGB, resized and brightened as the Perceiver does; n is smaller for a
        shorter source and for one with frames that cannot be used.

    Raises:
        OfflineError: nothing there can be used.
    """
    topic = topic if is_bag(path) else None  # beside it may be a bag, which has topics
    try:
        # Any camera does for a raw lens, and so no CameraInfo of a bag is asked for one.
        known = camera or ('60' if lens == 'raw' else None)
        source = open_source(path, camera=known, topic=topic, lens=lens)
        if not source.has_camera:
            raise OfflineError(f'--lens {lens} needs a calibration, and they have none: --camera')
        chosen, lost = _resized(source, count, size)
    except (OfflineError, OSError) as problem:
        raise OfflineError(f'frames of {path} cannot be used: {problem}') from problem
    if not chosen:
        why = f' ({lost[0].name}: {lost[0].reason})' if lost else ''
        raise OfflineError(f'{path} holds no frame that can be used{why}')
    if lost:
        told = (len(lost), len(lost) + len(chosen), path, lost[0].name, lost[0].reason)
        logger.warning('%d of %d frames of %s cannot be used (first: %s: %s)', *told)
    return np.stack([brightened(each, brightness) for each in chosen])


def _resized(
    source: Source, count: int, size: tuple[int, int]
) -> tuple[list[NDArray[np.uint8]], list[Skipped]]:
    """The frames at `size`, and what could not be used; no two are held at their own size."""
    chosen: list[NDArray[np.uint8]] = []
    lost: list[Skipped] = []
    for item in _spread(source, count):
        if isinstance(item, Skipped):
            lost.append(item)
        else:
            chosen.append(cv2.resize(item.rgb, size[::-1], interpolation=cv2.INTER_LINEAR))
    return chosen, lost


def _spread(source: Source, count: int) -> Iterator[Frame | Skipped]:
    """`count` frames, or why not; the first ones where nobody knows how many come."""
    length = max(source.count, count)
    places = [number * length // count for number in range(count)]
    for number, frame in enumerate(islice(source.frames(), places[-1] + 1)):
        if number in places:
            yield frame
