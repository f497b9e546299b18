"""What the table of an ablation compares, and with what."""

from __future__ import annotations

from pathlib import Path

from sds_training.evidence import Outcome, write_evidence

BASE = Outcome('base', ({'mean_iou': 0.5, 'abs_rel': 0.1}, {'mean_iou': 0.7, 'abs_rel': 0.3}))


def table(folder: Path, *outcomes: Outcome) -> list[str]:
    write_evidence(folder / 'evidence.md', 'a test', {}, outcomes)
    return (folder / 'evidence.md').read_text().splitlines()


def test_the_base_line_is_not_compared_with_itself(tmp_path: Path) -> None:
    lines = table(tmp_path, BASE, Outcome('other', BASE.runs))
    compared = lines[next(n for n, each in enumerate(lines) if each.startswith('Against')) :]
    assert any(each.startswith('| other | +0.00') for each in compared)
    assert not any(each.startswith('| base |') for each in compared)


def test_a_base_line_alone_is_compared_with_nothing(tmp_path: Path) -> None:
    assert not any(each.startswith('Against') for each in table(tmp_path, BASE))


def test_a_score_that_only_some_lines_have_is_a_column_with_gaps(tmp_path: Path) -> None:
    lines = table(tmp_path, BASE, Outcome('flat', ({'mean_iou': 0.6}, {'mean_iou': 0.6})))
    assert '| variant | runs | mIoU | AbsRel |' in lines
    assert '| flat | 2 | 0.6000 ± 0.0000 | - |' in lines


def test_a_score_that_one_seed_lacks_is_a_gap_and_no_mean_of_the_others(tmp_path: Path) -> None:
    lines = table(tmp_path, BASE, Outcome('half', ({'mean_iou': 0.6, 'abs_rel': 0.2}, {})))
    assert '| half | 2 | - | - |' in lines and '| half | - | - |' in lines


def test_depth_is_compared_in_shares_and_semantics_in_points(tmp_path: Path) -> None:
    scores = dict.fromkeys(('mean_iou', 'abs_rel', 'abs_rel_scaled', 'depth_coverage'), 0.5)
    better = {name: value + 0.05 for name, value in scores.items()}
    lines = table(tmp_path, Outcome('base', (scores,)), Outcome('other', (better,)))
    assert '| other | +5.00 | +10.00 | +10.00 | +5.00 |' in lines
