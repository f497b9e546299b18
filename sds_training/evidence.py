"""The evidence table: what each part of the method is worth, as Markdown and as a plot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

BASE = 'base'  # the line that the others are compared with


class Score(NamedTuple):
    """How one score is headed, and how much better or worse it is than that of the base line."""

    title: str
    better: str
    difference: Callable[[float, float], float]
    unit: str


def _points(own: float, base: float) -> float:
    return 100 * (own - base)


def _percent(own: float, base: float) -> float:
    return 100 * (own / base - 1)


SCORES = {
    'mean_iou': Score('mIoU', 'higher is better', _points, 'points'),
    'abs_rel': Score('AbsRel', 'lower is better', _percent, '%'),
    'abs_rel_scaled': Score('AbsRel, median-scaled', 'lower is better', _percent, '%'),
    'depth_coverage': Score('pixels with depth', 'higher is better', _points, 'points'),
}


@dataclass(frozen=True)
class Outcome:
    """One variant: the scores of each seed, the seeds in the same order in all variants."""

    name: str
    runs: tuple[Mapping[str, float], ...]
    meaning: str = ''  # what distinguishes it, in words

    def values(self, key: str) -> list[float]:
        """One score of every seed; empty unless all have it."""
        return [each[key] for each in self.runs] if all(key in each for each in self.runs) else []

    def against(self, base: Outcome, key: str) -> list[float]:
        """How far this variant's score is from the base line's, seed by seed; empty unless both
        have all seeds.
        """
        ours, theirs = self.values(key), base.values(key)
        if len(ours) != len(theirs):
            return []
        return [SCORES[key].difference(*pair) for pair in zip(ours, theirs, strict=True)]


def write_evidence(
    path: Path, title: str, facts: dict[str, str], outcomes: Sequence[Outcome]
) -> None:
    """Write `path` (Markdown) and beside it a plot with error bars, PNG of the same name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = [key for key in SCORES if any(each.values(key) for each in outcomes)]
    plot = path.with_suffix('.png')
    _plot(plot, outcomes, keys)
    lines = [
        f'# Evidence: {title}',
        '',
        'Mean and sample standard deviation over seeds, equal data and steps for every line.',
        'Written by `python -m sds_training.ablate`; not edited by hand.',
        '',
        *(f'* {name}: {value}' for name, value in facts.items()),
        '',
        'Every line learns depth from video, with the exchange of the base recipe (PAD) unless it '
        'says CCAM.',
        'Differences smaller than their deviation are what seeds make.',
        '',
        *_markdown(['variant', 'what it is'], [[each.name, each.meaning] for each in outcomes]),
        '',
        *_table(outcomes, keys),
        '',
        *_differences(outcomes, keys),
        f'![the same as a plot]({plot.name})',
        '',
    ]
    path.write_text('\n'.join(lines))


def _table(outcomes: Sequence[Outcome], keys: Sequence[str]) -> list[str]:
    head = ['variant', 'runs', *(SCORES[key].title for key in keys)]
    rows = [
        [each.name, str(len(each.runs)), *(_cell(each.values(key), '.4f') for key in keys)]
        for each in outcomes
    ]
    return _markdown(head, rows)


def _differences(outcomes: Sequence[Outcome], keys: Sequence[str]) -> list[str]:
    """Seed by seed, what distinguishes the seeds (labels, start, batches) falls out."""
    base, others = _base_and_others(outcomes)
    if base is None or not others:
        return []
    head = ['variant', *(f'{SCORES[key].title}, {SCORES[key].unit}' for key in keys)]
    rows = [
        [each.name, *(_cell(each.against(base, key), '+.2f') for key in keys)] for each in others
    ]
    said = f'Against `{BASE}`, seed by seed: mean and deviation of the differences.'
    return [said, '', *_markdown(head, rows), '']


def _base_and_others(outcomes: Sequence[Outcome]) -> tuple[Outcome | None, list[Outcome]]:
    base = next((each for each in outcomes if each.name == BASE), None)
    return base, [each for each in outcomes if each is not base]


def _markdown(head: list[str], rows: list[list[str]]) -> list[str]:
    return ['| ' + ' | '.join(row) + ' |' for row in (head, ['---'] * len(head), *rows)]


def _cell(values: Sequence[float], form: str) -> str:
    if not values:
        return '-'
    spread = f' ± {stdev(values):{form.removeprefix("+")}}' if len(values) > 1 else ''
    return f'{mean(values):{form}}{spread}'


def _plot(path: Path, outcomes: Sequence[Outcome], keys: Sequence[str]) -> None:
    """Scores above, differences from the base line below, each seed a dot."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    base, others = _base_and_others(outcomes)
    rows = 2 if base and others else 1
    columns = max(1, len(keys))
    size = (3 + 3 * columns, 3 * rows)  # the names stand at the left only
    figure, axes = pyplot.subplots(rows, columns, figsize=size, squeeze=False, sharey='row')
    for column, key in enumerate(keys):
        score = SCORES[key]
        values = {each.name: each.values(key) for each in outcomes}
        _draw(axes[0, column], values, f'{score.title} ({score.better})')
        if base and others:
            differences = {each.name: each.against(base, key) for each in others}
            _draw(axes[1, column], differences, f'{score.title} against {BASE}, {score.unit}')
            axes[1, column].axvline(0, color='grey', linewidth=1)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _draw(axis: Any, lines: dict[str, list[float]], title: str) -> None:
    for place, values in enumerate(lines.values()):
        if values:
            bar = stdev(values) if len(values) > 1 else 0.0
            axis.plot(values, [place] * len(values), '.', color='tab:orange', zorder=3)
            axis.errorbar(mean(values), place, xerr=bar, fmt='o', color='tab:blue', capsize=3)
    axis.set_yticks(range(len(lines)), list(lines))
    axis.set_ylim(len(lines) - 0.5, -0.5)
    axis.set_title(title, fontsize=8)
    axis.grid(axis='x', alpha=0.3)
