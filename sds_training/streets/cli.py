"""sds-streets: renders drives through procedural streets into a folder in Cityscapes layout."""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sds_perception.argument_types import picture_size
from sds_perception.commands import sigterm_interrupts
from sds_training.exit_codes import REFUSED, STOPPED
from sds_training.streets.motion import FRAMES, MOST_FRAMES
from sds_training.worker_process import finished

if TYPE_CHECKING:  # workers import the renderer after their threads are limited
    from sds_training.streets.drive import Drive, Frame

LARGEST = 32766  # pixels a side that OpenCV smears
_LEAST = {'snippets': 1, 'frames': 1, 'workers': 1, 'every': 1, 'first': 0, 'seed': 0, 'window': 0}


@dataclass(frozen=True)
class Order:
    """One snippet to render, and where to."""

    output: Path
    seed: int
    number: int
    split: str
    size: tuple[int, int]  # width, height
    frames: int
    label_every_frame: bool
    window: int | None
    every: int
    lifelike: bool
    any_material: bool


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 when all was written, 2 with a sentence when not, 130 when stopped."""
    options = _parser().parse_args(arguments)
    began, done, orders = time.perf_counter(), [], []
    try:
        orders = _orders(options)
        with sigterm_interrupts():
            for frames in _render(orders, options):
                done.append(frames)
                rate = sum(done) / (time.perf_counter() - began)
                print(f'{len(done)}/{len(orders)} snippets, {rate:.1f} frames/s', flush=True)
    except (ValueError, OSError, BrokenExecutor) as problem:
        print(f'sds-streets: {problem}', file=sys.stderr)
        return REFUSED
    except MemoryError as problem:
        width, height = options.size
        print(f'sds-streets: {width}x{height} is too large for the memory ({problem}); wanted a '
              'smaller --size or fewer --workers', file=sys.stderr)  # fmt: skip
        return REFUSED
    except KeyboardInterrupt:
        print(f'sds-streets: stopped after {len(done)} of {len(orders)} snippets, in no order; '
              'the same command renders all of them', file=sys.stderr)  # fmt: skip
        return STOPPED
    print(f'{sum(done)} frames in {time.perf_counter() - began:.0f} s: {options.output}')
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='sds-streets', description=__doc__)
    parser.add_argument('output', type=Path, help='folder to write; existing files are replaced')
    parser.add_argument('--snippets', type=int, default=10, help='drives to render (default: 10)')
    parser.add_argument(
        '--first', type=int, default=0, help='number of the first snippet (default: 0)'
    )
    parser.add_argument('--seed', type=int, default=0, help='other streets (default: 0)')
    parser.add_argument(
        '--size', type=_size, default=(512, 256), metavar='WxH', help='(default: 512x256)'
    )
    parser.add_argument(
        '--split',
        default='train',
        help='one split, or shares such as train=0.8,val=0.2, of their sum (default: train)',
    )
    parser.add_argument(
        '--frames', type=int, default=FRAMES, help='frames in a snippet (default: %(default)s)'
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=os.cpu_count() or 1,
        help='processes (default: one per core)',
    )
    parser.add_argument(
        '--label-every-frame', action='store_true', help='truth of all frames, in *_sequence'
    )
    parser.add_argument(
        '--window',
        type=int,
        metavar='R',
        help='render only frames at most R from the labelled one (default: all)',
    )
    parser.add_argument(
        '--every',
        type=int,
        default=1,
        metavar='K',
        help='of these, only every K-th, as data.neighbour_gap K reads (default: 1)',
    )
    parser.add_argument(
        '--lifelike',
        action='store_true',
        help='surfaces mirror the street, cars have details, trees are bare, traffic queues',
    )
    parser.add_argument(
        '--any-material',
        action='store_true',
        help='surfaces in any texture and colour: domain randomization',
    )
    parser.add_argument(
        '--bag', type=Path, help='also write this ROS 2 bag, which must not exist yet; one process'
    )
    parser.add_argument(
        '--storage', choices=('mcap', 'sqlite3'), default='mcap', help='of the bag (default: mcap)'
    )
    parser.add_argument(
        '--compressed', action='store_true', help='CompressedImage, not Image, in the bag'
    )
    return parser


def _size(text: str) -> tuple[int, int]:
    size = picture_size(text)
    if min(size) < 16:
        raise argparse.ArgumentTypeError(f'{text} is too small, at least 16x16 is needed')
    if max(size) > LARGEST:
        raise argparse.ArgumentTypeError(f'{text} is too large, at most {LARGEST} pixels a side')
    return size


def _orders(options: argparse.Namespace) -> list[Order]:
    for name, least in _LEAST.items():
        value = getattr(options, name)
        if value is not None and value < least:
            raise ValueError(f'--{name} must be at least {least}, got {value}')
    if options.output.is_file():
        raise ValueError(f'output {options.output} is a file, wanted a folder')
    if options.frames > MOST_FRAMES:
        raise ValueError(f'--frames must be at most {MOST_FRAMES}, got {options.frames}: '
                         'a longer drive may pass the end of its street')  # fmt: skip
    names, shares = split_shares(options.split)
    orders = []
    for number in range(options.first, options.first + options.snippets):
        rng = np.random.default_rng((options.seed, number, 99))
        split = str(rng.choice(names, p=shares))
        orders.append(Order(options.output, options.seed, number, split, options.size,
                            options.frames, options.label_every_frame,
                            options.window, options.every, options.lifelike,
                            options.any_material))  # fmt: skip
    return orders


def split_shares(text: str) -> tuple[list[str], list[float]]:
    """Read 'train' or 'train=0.8,val=0.2' into names and shares that sum to one."""
    parts = [part.partition('=') for part in text.split(',')]
    if any(not name.isidentifier() for name, _, _ in parts):
        raise ValueError(f'--split wants names like train=0.8,val=0.2, got {text!r}')
    try:
        shares = [float(value or 1.0) for _, _, value in parts]
    except ValueError:
        raise ValueError(f'--split wants numbers behind "=", got {text!r}') from None
    if not (min(shares) >= 0 and 0 < sum(shares) < math.inf):  # in words that nan fails, too
        raise ValueError(f'--split wants shares of zero or more, some above, got {text!r}')
    return [name for name, _, _ in parts], [share / sum(shares) for share in shares]


def _render(orders: list[Order], options: argparse.Namespace) -> Iterator[int]:
    if options.bag:
        from sds_training.streets.bag import DriveBag

        with DriveBag(options.bag, options.storage, options.compressed) as bag:
            yield from (render_order(order, bag.add) for order in orders)
        return
    if options.workers == 1:
        yield from map(render_order, orders)
        return
    os.environ.setdefault('OMP_NUM_THREADS', '1')  # the workers share the cores already
    yield from finished(render_order, zip(orders), min(options.workers, len(orders)))


def render_order(order: Order, also: Callable[[Drive, int, Frame], None] | None = None) -> int:
    """Draw, render and write one snippet; returns its number of frames."""
    import cv2

    from sds_training.streets.drive import draw_drive, of_any_material
    from sds_training.streets.files import write_drive
    from sds_training.streets.style import LIFELIKE, PLAIN

    cv2.setNumThreads(1)
    style = LIFELIKE if order.lifelike else PLAIN
    drive = draw_drive(order.seed, order.number, *order.size, order.frames, style)
    if order.any_material:
        drive = of_any_material(drive)
    return write_drive(order.output, order.split, drive, order.label_every_frame, order.window,
                       order.every, also)  # fmt: skip


if __name__ == '__main__':
    sys.exit(main())
