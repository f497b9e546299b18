from __future__ import annotations

from collections import Counter

import pytest

from sds_training.data.cityscapes import DataError, city_of
from sds_training.data.splits import choose_labelled

SIZES = {'aachen': 174, 'bremen': 316, 'ulm': 95, 'zurich': 122, 'tiny': 2}
NAMES = [f'{city}_{n:06d}_000019' for city, size in SIZES.items() for n in range(size)]


@pytest.mark.parametrize('count', [0, 1, 7, 100, 372, 709, 'all'])
def test_labelled_and_unlabelled_never_overlap_and_lose_no_frame(count: int | str) -> None:
    split = choose_labelled(NAMES, count, seed=3)
    assert not set(split.labelled) & set(split.unlabelled)
    assert sorted(split.labelled + split.unlabelled) == sorted(NAMES)
    assert len(split.labelled) == (len(NAMES) if count == 'all' else count)


@pytest.mark.parametrize('seed', range(5))
def test_every_city_gives_its_share_to_within_one_frame(seed: int) -> None:
    given = Counter(city_of(name) for name in choose_labelled(NAMES, 100, seed).labelled)
    for city, size in SIZES.items():
        assert abs(given[city] - 100 * size / len(NAMES)) < 1


def test_the_choice_depends_on_the_seed_and_on_nothing_else() -> None:
    split = choose_labelled(NAMES, 100, seed=0)
    assert choose_labelled(reversed(NAMES), 100, seed=0) == split
    assert choose_labelled(NAMES, 100, seed=1).digest != split.digest


def test_the_choice_is_the_same_on_every_machine_for_ever() -> None:
    digest = choose_labelled(NAMES, 100, seed=0).digest
    assert digest == '08f2c1f344166bd67283577781849432011afc99727ced24e7bebea26ce65cfb'


def test_a_smaller_choice_of_one_city_lies_within_a_larger_one() -> None:
    names = [name for name in NAMES if city_of(name) == 'ulm']
    few, many = (set(choose_labelled(names, count, 0).labelled) for count in (10, 50))
    assert few < many


def test_asking_for_more_labels_than_there_are_is_refused() -> None:
    with pytest.raises(DataError, match='2975 labelled frames were asked for, and 709 are there'):
        choose_labelled(NAMES, 2975, seed=0)
