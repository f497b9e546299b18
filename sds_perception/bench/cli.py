"""Measure this machine with our networks: `sds-bench --output out/bench`, or `make bench`.

One table on the screen; bench.json and bench.png in the output folder. Alternatives are timed in
interleaved rounds and the best call of each is compared, so that other work on the machine
disturbs all alike; compare ratios of one run, not milliseconds of two.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch

from sds_perception.argument_types import input_size
from sds_perception.bench.cuda import cuda_figures
from sds_perception.bench.figures import Budget, Figure, Timing
from sds_perception.bench.frames import end_to_end_figures, step_figures
from sds_perception.bench.machine import host_facts
from sds_perception.bench.networks import BENCHED, engine_figures, sharing_figures
from sds_perception.bench.node import node_figures
from sds_perception.bench.peers import peer_figures
from sds_perception.bench.report import table, write_json, write_plot
from sds_perception.bench.steady import steady_figures
from sds_perception.engines import EngineError
from sds_perception.process_memory import freeze_garbage_collector, keep_large_buffers

PARTS = ('engines', 'sharing', 'frames', 'steps', 'steady', 'peers', 'cuda', 'node')


def main(args: Sequence[str] | None = None) -> int:
    """0 measured, whatever the figures; 2 where something cannot be."""
    wanted = _parser().parse_args(args)
    logging.basicConfig(level=logging.WARNING, format='%(message)s')
    try:
        wanted.output.mkdir(parents=True, exist_ok=True)
        measure(wanted)
    except (EngineError, OSError) as problem:
        print(f'sds-bench: {problem}', file=sys.stderr)
        return 2
    return 0


def measure(wanted: argparse.Namespace) -> None:
    """Measure part after part; what was measured before a fault or Ctrl-C is written too."""
    keep_large_buffers()  # as the node does, which is what this measures
    freeze_garbage_collector()
    host = host_facts()
    timings: dict[str, Timing] = {}
    print('\n'.join(f'  {name:14s}{value}' for name, value in host.items()))
    if host['load_at_start'] > 0.5 * host['cores']:
        print('  others are using this machine: trust ratios of best calls, and those with care')
    figures: list[Figure] = []
    try:
        with tempfile.TemporaryDirectory() as temporary:
            for rows in _measured(wanted, wanted.cache or Path(temporary), timings):
                figures += rows
                print(table(rows), flush=True)
    finally:
        if figures:
            _report(wanted.output, host, figures, timings)


def _report(
    folder: Path, host: Mapping[str, Any], figures: Sequence[Figure], timings: Mapping[str, Timing]
) -> None:
    write_json(folder / 'bench.json', host, figures, timings)
    title = f'{host["processor"]}, {host["cores"]} cores, {host["gpu"] or "no GPU"}'
    plotted = write_plot(folder / 'bench.png', timings, title)
    missed = [f'{each.group}: {each.name}' for each in figures if each.reached is False]
    print(f'\n{len(missed)} goals missed' + ''.join(f'\n  {each}' for each in missed))
    print(f'written to {folder}: bench.json' + (' and bench.png' if plotted else ''))


def _measured(
    wanted: argparse.Namespace, cache: Path, timings: dict[str, Timing]
) -> Iterator[list[Figure]]:
    """Part after part, so that each is on the screen as soon as it is known."""
    budget = Budget(3, calls=2) if wanted.quick else Budget(20)
    for name, size in product(wanted.networks, wanted.sizes):
        yield from _of_case(wanted.parts, name, size, cache, budget, timings)
    for name in wanted.networks:
        yield from _of_network(wanted, name, cache, budget, timings)
    if 'steps' in wanted.parts:
        yield step_figures(budget)
    if 'node' in wanted.parts:
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
        yield node_figures(wanted.output, 4 if wanted.quick else 10, device)


def _of_case(
    parts: Sequence[str],
    name: str,
    size: tuple[int, int],
    cache: Path,
    budget: Budget,
    timings: dict[str, Timing],
) -> Iterator[list[Figure]]:
    """What is measured at every size."""
    if 'engines' in parts:
        rows, more = engine_figures(name, size, cache, budget)
        timings.update(more)
        yield rows
    if 'frames' in parts:
        yield end_to_end_figures(name, size, cache, budget)
    if 'cuda' in parts and torch.cuda.is_available():
        yield cuda_figures(name, size, cache, budget)


def _of_network(
    wanted: argparse.Namespace,
    name: str,
    cache: Path,
    budget: Budget,
    timings: dict[str, Timing],
) -> Iterator[list[Figure]]:
    """What is measured once per network: long runs at the small size, the rest at the large."""
    if 'sharing' in wanted.parts:
        yield sharing_figures(name, max(wanted.sizes), cache, budget)
    if 'peers' in wanted.parts:
        yield peer_figures(name, max(wanted.sizes), cache, budget) or []
    if 'steady' in wanted.parts:
        frames = 60 if wanted.quick else 500
        rows, timing = steady_figures(name, min(wanted.sizes), cache, frames)
        timings[f'{rows[0].group} 720p'] = timing
        yield rows


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='sds-bench',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        '--output',
        type=Path,
        default=Path('out/bench'),
        help='folder to write (default: out/bench)',
    )
    add('--quick', action='store_true', help='seconds per comparison instead of tens')
    add(
        '--networks',
        nargs='+',
        choices=tuple(BENCHED),
        default=['tiny', 'vehicle', 'mobile'],
        help='(default: tiny vehicle mobile)',
    )
    add(
        '--sizes',
        nargs='+',
        type=input_size,
        default=[(256, 512), (512, 1024)],
        metavar='WxH',
        help='of the networks (default: 512x256 1024x512)',
    )
    add('--parts', nargs='+', choices=PARTS, default=PARTS, help='what to measure (default: all)')
    add('--cache', type=Path, help='keep exported graphs here (default: a temporary folder)')
    return parser


if __name__ == '__main__':
    sys.exit(main())
