"""Drawing labelled frames by class."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from sds_training.data.cityscapes import DataError
from sds_training.data.clips import training_pools
from sds_training.data.config import DataConfig
from sds_training.data.loading import StepBatches
from sds_training.data.rare_classes import SHOWN_PX, RareClasses

ROAD, PERSON, RIDER = 0, 11, 12


def labels() -> list[np.ndarray]:
    """Ten roads; a person in the third only, and in the fifth too few pixels of a rider."""
    pictures = [np.zeros((40, 60), np.uint8) for _ in range(10)]
    pictures[2][:10, :10] = PERSON
    pictures[4][0, : SHOWN_PX - 1] = RIDER
    return pictures


def test_a_frame_is_drawn_for_a_class_that_it_shows() -> None:
    rare = RareClasses.counted(labels(), 0.1)
    rng = np.random.default_rng(0)
    drawn = [rare.draw(rng) for _ in range(50)]
    assert {at for wanted, at in drawn if wanted == PERSON} == {2}
    assert RIDER not in {wanted for wanted, _ in drawn}


def test_the_rarer_class_is_the_likelier_and_heat_evens_it_out() -> None:
    cold, hot = (RareClasses.counted(labels(), t).probability for t in (0.05, 100.0))
    assert cold[PERSON] > 0.99 and abs(hot[PERSON] - hot[ROAD]) < 0.01
    assert np.isclose(cold.sum(), 1) and np.isclose(hot.sum(), 1)


def test_void_pixels_belong_to_no_class() -> None:
    void = [np.full((40, 60), 255, np.uint8), np.zeros((40, 60), np.uint8)]
    rare = RareClasses.counted(void, 0.05)
    assert rare.draw(np.random.default_rng(0)) == (ROAD, 1)


def test_labels_that_show_nothing_are_refused_in_a_sentence() -> None:
    void = [np.full((40, 60), 255, np.uint8)] * 2
    with pytest.raises(DataError, match='none of 2 labels shows 50 pixels of any class'):
        RareClasses.counted(void, 0.05)


def test_a_class_that_fills_all_pictures_is_drawn_however_cold_it_is() -> None:
    rare = RareClasses.counted([np.zeros((40, 60), np.uint8)], 1e-4)
    assert rare.draw(np.random.default_rng(0)) == (ROAD, 0)


@pytest.fixture
def config(street) -> dict:
    size = {'size': (64, 32), 'crop': (24, 16), 'labelled_batch': 8, 'labels': 'all'}
    return {'root': str(street.root), 'use_cache': False, **size}


def shown(settings: dict) -> Counter:
    """Pixels per class over a few batches."""
    counts: Counter = Counter()
    config = DataConfig(**settings)
    for batch in StepBatches(config, training_pools(config), 0).between(0, 8):
        counts.update(batch.labelled.label.flatten().tolist())
    return counts


def test_crops_are_cut_where_the_rare_class_is(config) -> None:
    rare = {**config, 'rare_class_temperature': 1e-3}
    supply = StepBatches(DataConfig(**rare), training_pools(DataConfig(**rare)), 0)
    assert supply._rare is not None
    rarest = int(supply._rare.probability.argmax())
    assert shown(rare)[rarest] > 1.2 * shown(config)[rarest]


def test_rare_classes_draw_no_frame_of_the_pool(config) -> None:
    plain, rare = (
        list(StepBatches(each, training_pools(each), 0).between(0, 4))
        for each in (DataConfig(**config), DataConfig(**config, rare_class_temperature=0.5))
    )
    pairs = list(zip(plain, rare, strict=True))
    assert all(one.unlabelled.names == other.unlabelled.names for one, other in pairs)
    assert any(one.labelled.names != other.labelled.names for one, other in pairs)


def test_where_nothing_is_labelled_nothing_is_drawn_by_class(config) -> None:
    nobody = {'labels': 0, 'labelled_batch': 0, 'rare_class_temperature': 0.5}
    settings = DataConfig(**{**config, **nobody})
    assert len(StepBatches(settings, training_pools(settings), 0)[0].unlabelled.names) == 2
