"""sds-prepare: checks a data folder, then writes the resized cache that training reads."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from sds_perception.argument_types import count, picture_size
from sds_training.data.cache import CachedFiles
from sds_training.data.cache_build import build_cache
from sds_training.data.check import check_folder
from sds_training.data.cityscapes import DataError
from sds_training.data.clips import training_pools
from sds_training.data.config import DataConfig
from sds_training.data.files import FileError
from sds_training.data.loading import files_of, label_of, neighbours_of
from sds_training.exit_codes import REFUSED, STOPPED

PLAIN_LINE_EVERY_S = 10.0


def prepare(
    config: DataConfig,
    processes: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Cache every file that training with `config` can ask for; return how many were added."""
    pools = training_pools(config)
    paths = files_of(pools.clips)
    added = build_cache(paths, config, processes or os.cpu_count() or 1, on_progress)
    files = CachedFiles(config, paths)
    for clip in pools.clips:  # what would end the training is refused here
        image = files.read(clip.image)
        label_of(clip, files, image)
        neighbours_of(clip, files, image)
    return added


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 if the folder can be trained on, 1 with sentences if it cannot.

    2 with one sentence where something else is in the way, such as a full disk.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format='note: %(message)s')
    try:
        return _check_and_write(options)
    except KeyboardInterrupt:
        print('sds-prepare: stopped; the same command goes on', file=sys.stderr)
        return STOPPED


def _check_and_write(options: argparse.Namespace) -> int:
    try:
        config = _config(options)
        if not _sound(options):
            return 1
        if not options.check_only:
            _write(config, options)
        return 0
    except FileError as problem:
        print(f'PROBLEM: {problem}', file=sys.stderr)
        return 1
    except (DataError, OSError) as problem:
        print(f'sds-prepare: {problem}', file=sys.stderr)
        return REFUSED


def _sound(options: argparse.Namespace) -> bool:
    findings = check_folder(options.root, options.neighbour_gap)
    for finding in findings:
        print('PROBLEM:' if finding.is_problem else 'note:', finding.sentence)
    problems = sum(finding.is_problem for finding in findings)
    if problems:
        print(f'{problems} problem(s); nothing was written.')
    return not problems


def _config(options: argparse.Namespace) -> DataConfig:
    return DataConfig(
        root=str(options.root),
        cache=options.cache,
        size=options.size,
        crop=options.size,
        fit=options.fit,
        labelled_batch=0,
        extra_unlabelled=options.extra_unlabelled,
        neighbour_gap=options.neighbour_gap,
    )


def _write(config: DataConfig, options: argparse.Namespace) -> None:
    progress = Progress()
    began = time.perf_counter()
    added = prepare(config, options.workers, progress)
    progress.close()
    seconds = time.perf_counter() - began
    held = sum(path.stat().st_size for path in config.cache_dir.glob('*.raw'))
    print(f'{added} files added in {seconds:.1f} s; {config.cache_dir} holds {held / 1e6:.0f} MB')


class Progress:
    """A bar on a terminal; a line every ten seconds and at the end elsewhere."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None
        self._next_line_s = 0.0

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` files are written."""
        if sys.stderr.isatty():
            self._bar = self._bar or tqdm(total=total, unit='file', desc='cache')
            self._bar.update(done - self._bar.n)
        elif total and (time.monotonic() >= self._next_line_s or done == total):
            self._next_line_s = time.monotonic() + PLAIN_LINE_EVERY_S
            print(f'cache: {done} of {total} files', file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the terminal tidy."""
        if self._bar is not None:
            self._bar.close()


def _parser() -> argparse.ArgumentParser:
    defaults = DataConfig()
    parser = argparse.ArgumentParser(prog='sds-prepare', description=__doc__)
    parser.add_argument('root', type=Path, help='the Cityscapes-shaped folder; see docs/data.md')
    parser.add_argument(
        '--size',
        type=picture_size,
        default=defaults.size,
        metavar='WxH',
        help='of cached frames, as data.size (default: 1024x512)',
    )
    parser.add_argument(
        '--fit',
        choices=('cover', 'stretch'),
        default=defaults.fit,
        help='keep the aspect of frames of another shape, or stretch them (default: cover)',
    )
    parser.add_argument('--cache', help='where to write (default: .sds_cache in the root)')
    parser.add_argument(
        '--neighbour-gap',
        type=int,
        default=defaults.neighbour_gap,
        metavar='K',
        help='neighbours are K frames apart, as data.neighbour_gap (default: 1)',
    )
    parser.add_argument(
        '--extra-unlabelled',
        type=_positions,
        default=(),
        metavar='LIST',
        help='positions in each snippet to add, such as 5,10,25, or all (default: none)',
    )
    workers = count('processes', 1)
    parser.add_argument('--workers', type=workers, help='processes (default: one per core)')
    parser.add_argument('--check-only', action='store_true', help='check and write nothing')
    return parser


def _positions(text: str) -> tuple[int, ...] | str:
    if text == 'all':
        return text
    try:
        return tuple(int(each) for each in text.split(','))
    except ValueError as problem:
        raise argparse.ArgumentTypeError(f"{text!r} is not like '5,10,25' or 'all'") from problem


if __name__ == '__main__':
    sys.exit(main())
