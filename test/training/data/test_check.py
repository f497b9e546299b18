"""What is said of a folder before anything is learnt from it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sds_training.data.check import check_folder


def told(root: Path, gap: int = 1) -> list[str]:
    return [finding.sentence for finding in check_folder(root, gap)]


def test_problems_are_told_before_notes(street) -> None:
    street.label('aachen_000099_000019')
    found = [finding.is_problem for finding in check_folder(street.root)]
    assert found[0] and not found[-1] and found == sorted(found, reverse=True)


def test_of_pictures_one_level_too_deep_only_that_is_told(city_folder) -> None:
    city_folder.image('ulm_000000_000019')
    (city_folder.root / 'archive').mkdir()
    deep = city_folder.root / 'archive/leftImg8bit'
    (city_folder.root / 'leftImg8bit').rename(deep)
    (sentence,) = told(city_folder.root)
    assert sentence.startswith(f'{deep} is one level too deep')


def test_neighbours_are_missed_at_the_gap_they_are_asked_for(street) -> None:
    for gap, lone in ((2, 2), (3, 8)):
        wanted = f'train: {lone} frames (first: '
        (note,) = (each for each in told(street.root, gap) if f'the frames {gap} earlier' in each)
        assert note.startswith(wanted)


def test_a_camera_is_missed_of_sequences_that_have_no_other_picture(city_folder) -> None:
    city_folder.sequence([f'own_000000_{n:06d}' for n in range(4)])
    wanted = 'train: 2 frames (first: own_000000_000001) have neighbours but no camera file'
    assert any(each.startswith(wanted) for each in told(city_folder.root))


def test_sizes_are_compared_under_a_camera_that_has_pictures_of_both_kinds(street) -> None:
    for path in street.root.glob('*/train/bonn/bonn_000000_000164_*.png'):
        path.unlink()  # the first camera of the city has pictures of the sequence alone
    for path in street.root.glob('leftImg8bit_sequence/train/bonn/bonn_000001_*.png'):
        cv2.imwrite(str(path), np.zeros((24, 48, 3), np.uint8))
    (problem,) = (each.sentence for each in check_folder(street.root) if each.is_problem)
    assert 'bonn_000001_000164_camera.json is of both' in problem


def test_labels_of_nothing_but_road_are_label_ids(street) -> None:
    for path in (street.root / 'gtFine').rglob('*.png'):
        cv2.imwrite(str(path), np.full((32, 64), 7, np.uint8))
    assert not any(finding.is_problem for finding in check_folder(street.root))


def test_ids_above_the_highest_train_id_are_label_ids(street) -> None:
    ids = np.array([0, 7, 8, 11, 17, 19], np.uint8)  # up to a traffic light, without sky and cars
    for path in (street.root / 'gtFine').rglob('*.png'):
        cv2.imwrite(str(path), np.resize(ids, (32, 64)))
    assert not any('look like train ids' in each for each in told(street.root))


def test_where_no_label_can_be_looked_into_nothing_is_said_of_their_type(city_folder) -> None:
    city_folder.image('kiel_000000_000007')
    city_folder.label('kiel_000000_000009')
    (problem,) = (each for each in check_folder(city_folder.root) if each.is_problem)
    assert 'kiel_000000_000009' in problem.sentence
    assert not any('train ids' in each for each in told(city_folder.root))


@pytest.mark.parametrize(
    'name',
    [
        'leftImg8bit/train/aachen/img001.jpg',
        'leftImg8bit/train/aachen_000000_000001_leftImg8bit.jpg',
        'leftImg8bit/train/deep/er/er_000000_000001_leftImg8bit.png',
        'leftImg8bit_sequence/train/aachen/aachen_000005.png',
        'leftImg8bit/train/aachen/aachen_000000_000001_leftImg8bit.PNG',
    ],
)
def test_pictures_that_nothing_would_read_are_told(street, name: str) -> None:
    kind, split, place = name.split('/', 2)
    file = street.root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b'any')
    notes = [each.sentence for each in check_folder(street.root) if not each.is_problem]
    folder = street.root / kind / split
    assert any(f'train: 1 pictures in {folder} stay out (first: {place})' in n for n in notes)
