"""Laws of labels as people draw them: what is in front has no holes."""

from __future__ import annotations

import numpy as np

from sds_training.streets.annotation import without_holes
from sds_training.streets.drive import draw_drive
from sds_training.streets.street import LABEL_ID
from sds_training.streets.style import PLAIN

FX = 100.0  # at 10 m a metre is ten pixels


def seen_between(
    front: str, behind: str, gap_px: int, behind_m: float = 20.0
) -> tuple[np.ndarray, np.ndarray]:
    """Label and depth of upright strips of `front`, 3 pixels wide and 10 m away, apart by gaps."""
    strip = np.arange(64) % (3 + gap_px) < 3
    label = np.where(strip, LABEL_ID[front], LABEL_ID[behind])
    depth = np.where(strip, 10.0, np.nan if behind == 'sky' else behind_m)
    shape = (40, 64)
    return (
        np.broadcast_to(label, shape).astype(np.uint8),
        np.broadcast_to(depth, shape).astype(np.float32),
    )


def drawn(front: str, behind: str, gap_px: int, behind_m: float = 20.0) -> set[str]:
    """The classes that are left between the first and the last strip."""
    names = {number: name for name, number in LABEL_ID.items()}
    label = without_holes(*seen_between(front, behind, gap_px, behind_m), FX)
    return {names[number] for number in np.unique(label[:, 3:50])}


def test_sky_and_houses_in_a_tree_are_tree_and_what_is_counted_stays() -> None:
    assert drawn('vegetation', 'sky', 3) == drawn('vegetation', 'building', 3) == {'vegetation'}
    assert drawn('vegetation', 'car', 3) == {'vegetation', 'car'}


def test_everything_between_the_bars_of_a_fence_is_fence() -> None:
    assert drawn('fence', 'car', 1) == drawn('fence', 'sidewalk', 1) == {'fence'}


def test_a_wide_gap_stays_open() -> None:
    assert drawn('vegetation', 'sky', 12) == {'vegetation', 'sky'}
    assert drawn('fence', 'car', 5) == {'fence', 'car'}


def test_what_stands_in_front_stays() -> None:
    assert drawn('fence', 'pole', 1, behind_m=9.0) == {'fence', 'pole'}


def test_labels_without_holes_show_the_same_picture_and_depth() -> None:
    exact, whole = (
        draw_drive(1, 3, 128, 64, style=style).render(0)
        for style in (PLAIN, PLAIN._replace(no_holes=True))
    )
    assert np.array_equal(exact.image, whole.image)
    assert np.array_equal(exact.depth_m, whole.depth_m, equal_nan=True)
    changed = exact.label_ids != whole.label_ids
    assert changed.any()
    assert set(whole.label_ids[changed]) <= {LABEL_ID['vegetation'], LABEL_ID['fence']}
