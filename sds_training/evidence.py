"""The evidence table: what each part of the method is worth, as Markdown and as a plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

COLUMNS = {
    'mean_iou': ('mIoU', 'higher is better'),
    'abs_rel': ('AbsRel', 'lower is better'),
    'abs_rel_scaled': ('AbsRel, median-scaled', 'lower is better'),
}


@dataclass(frozen=True)
class Outcome:
    """One variant over its seeds."""

    name: str
    runs: int
    means: dict[str, float]
    deviations: dict[str, float | None]  # sample standard deviation; None for a single run


def write_evidence(
    path: Path, title: str, facts: dict[str, str], outcomes: Sequence[Outcome]
) -> None:
    """Write `path` (Markdown) and beside it a plot with error bars, PNG of the same name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = [key for key in COLUMNS if any(key in each.means for each in outcomes)]
    head = ['variant', 'runs', *(COLUMNS[key][0] for key in keys)]
    rows = [[each.name, str(each.runs), *(_cell(each, key) for key in keys)] for each in outcomes]
    table = [head, ['---'] * len(head), *rows]
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
        *('| ' + ' | '.join(row) + ' |' for row in table),
        '',
        f'![the same as a plot]({plot.name})',
        '',
    ]
    path.write_text('\n'.join(lines))


def _cell(outcome: Outcome, key: str) -> str:
    if key not in outcome.means:
        return '-'
    deviation = outcome.deviations[key]
    spread = '' if deviation is None else f' ± {deviation:.4f}'
    return f'{outcome.means[key]:.4f}{spread}'


def _plot(path: Path, outcomes: Sequence[Outcome], keys: Sequence[str]) -> None:
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, max(1, len(keys)), figsize=(4 * max(1, len(keys)), 3))
    places = range(len(outcomes))
    for axis, key in zip([axes] if len(keys) < 2 else axes, keys, strict=False):
        values = [each.means.get(key, float('nan')) for each in outcomes]
        bars = [each.deviations.get(key) or 0.0 for each in outcomes]
        axis.errorbar(values, places, xerr=bars, fmt='o', capsize=3)
        axis.set_yticks(places, [each.name for each in outcomes])
        axis.invert_yaxis()
        axis.set_title(f'{COLUMNS[key][0]} ({COLUMNS[key][1]})', fontsize=8)
        axis.grid(axis='x', alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
