"""The figures for people and for programs: one table, one JSON file, one plot."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from itertools import groupby
from math import isnan
from pathlib import Path
from typing import Any

from sds_perception.bench.figures import Figure, Timing

REACHED = {True: 'reached', False: 'MISSED', None: ''}


def table(figures: Sequence[Figure]) -> str:
    """Rows by group: name, value, unit, goal and whether it is reached, note."""
    lines: list[str] = []
    for group, rows in groupby(figures, key=lambda each: each.group):
        lines += ['', group]
        lines += [_line(each) for each in rows]
    return '\n'.join(lines)


def _line(figure: Figure) -> str:
    value = '-' if isnan(figure.value) else f'{figure.value:.3g}'
    if abs(figure.value) >= 100:
        value = f'{figure.value:.0f}'
    verdict = f'{figure.goal} {REACHED[figure.reached]}' if figure.goal else ''
    line = f'  {figure.name:32s}{value:>8s} {figure.unit:8s}{verdict:18s}{figure.note}'
    return line.rstrip()


def write_json(
    path: Path, host: Mapping[str, Any], figures: Sequence[Figure], timings: Mapping[str, Timing]
) -> None:
    """Everything, the single calls included, so that other statistics can be made of it."""
    content = {
        'host': host,
        'figures': [
            {
                **asdict(each),
                'value': None if isnan(each.value) else each.value,
                'reached': each.reached,
            }
            for each in figures
        ],
        'calls_ms': {name: timing.calls_ms for name, timing in timings.items()},
    }
    path.write_text(json.dumps(content, indent=1) + '\n')


def write_plot(path: Path, timings: Mapping[str, Timing], title: str) -> bool:
    """Best and spread of every timed alternative; False without matplotlib."""
    if find_spec('matplotlib') is None or not timings:
        return False
    from matplotlib.figure import Figure as Canvas
    from matplotlib.ticker import LogLocator, NullFormatter

    names, values = list(timings), list(timings.values())
    canvas = Canvas(figsize=(9, 0.32 * len(names) + 1.4), layout='constrained')
    axes = canvas.subplots()
    best = [each.best for each in values]
    slower = [each.percentile(90) - each.best for each in values]
    places = range(len(names))
    # Dots, not bars: on a logarithmic axis the length of a bar means nothing.
    axes.errorbar(best, places, xerr=[[0.0] * len(best), slower], fmt='o', capsize=3)
    for place, value in zip(places, best, strict=True):
        axes.annotate(f'{value:.3g}', (value, place), (-6, 0), textcoords='offset points',
                      ha='right', va='center', fontsize=8)  # fmt: skip
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set_xscale('log')
    axes.set_xlim(min(best) / 2, None)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter('{x:g}')
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel('ms per frame: best, whisker to the 90th percentile')
    axes.set_title(title, fontsize=9)
    canvas.savefig(path, dpi=110)
    return True
