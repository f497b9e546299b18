from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sds_training.data.cityscapes import DataError, city_of
from sds_training.data.splits import choose_labelled, label_split

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


def test_of_cities_with_the_same_share_the_seed_decides_which_gives_the_frame_left_over() -> None:
    names = [f'{city}_{n:06d}_000019' for city in ('aachen', 'bremen', 'ulm') for n in range(5)]
    givers = {city_of(choose_labelled(names, 1, seed).labelled[0]) for seed in range(20)}
    assert givers == {'aachen', 'bremen', 'ulm'}


def test_a_smaller_choice_of_one_city_lies_within_a_larger_one() -> None:
    names = [name for name in NAMES if city_of(name) == 'ulm']
    few, many = (set(choose_labelled(names, count, 0).labelled) for count in (10, 50))
    assert few < many


def test_asking_for_more_labels_than_there_are_is_refused() -> None:
    with pytest.raises(DataError, match='2975 labelled frames were asked for, and 709 are there'):
        choose_labelled(NAMES, 2975, seed=0)


def test_a_list_of_names_or_of_pictures_chooses_these_frames(tmp_path: Path) -> None:
    listed = tmp_path / 'labeled.txt'
    picture = 'leftImg8bit/train/ulm/ulm_000007_000019_leftImg8bit.png'
    listed.write_text(f'# two of ulm\n\nulm_000003_000019\n{picture} gtFine/train/ulm/other.png\n')
    split = label_split(NAMES, str(listed), seed=0)
    assert split.labelled == ('ulm_000003_000019', 'ulm_000007_000019')
    assert sorted(split.labelled + split.unlabelled) == sorted(NAMES)
    assert split.provenance()['seed'] is None


def test_a_number_and_all_choose_by_seed() -> None:
    for labels in (7, 'all'):
        assert label_split(NAMES, labels, seed=1) == choose_labelled(NAMES, labels, seed=1)


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('', 'lists no frames'),
        ('ulm_000003_000019\nrome_1_19', r'1 of 2 frames without a label here \(first: rome_1_19'),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    listed = tmp_path / 'labeled.txt'
    listed.write_text(text)
    with pytest.raises(DataError, match=sentence):
        label_split(NAMES, str(listed), seed=0)


def test_labels_that_are_no_number_and_no_file_are_refused() -> None:
    with pytest.raises(DataError, match="data.labels is 'al', wanted a number, 'all', or a text"):
        label_split(NAMES, 'al', seed=0)


def test_a_picture_is_no_list(tmp_path: Path) -> None:
    listed = tmp_path / 'a.png'
    listed.write_bytes(b'\x89PNG\r\n\x1a\n')
    with pytest.raises(DataError, match="a.png', wanted a number, 'all', or a text file"):
        label_split(NAMES, str(listed), seed=0)


def test_a_list_may_begin_with_a_mark_and_a_city_have_a_space_in_its_name(tmp_path: Path) -> None:
    names = ['new york_000000_000019', 'ulm_000000_000019']
    listed = tmp_path / 'labeled.txt'
    listed.write_text('\n'.join(names), encoding='utf-8-sig')
    assert label_split(names, str(listed), seed=0).labelled == tuple(names)
