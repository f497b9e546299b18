from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from sds_training.data.check import check_folder
from sds_training.data.files import read_label
from sds_training.data.prepare import main


def problems(root) -> list[str]:
    return [finding.sentence for finding in check_folder(root) if finding.is_problem]


def test_a_good_folder_has_no_problems_and_its_gaps_are_notes(street) -> None:
    notes = [finding.sentence for finding in check_folder(street.root)]
    assert problems(street.root) == []
    assert any(
        '2 frames (first: kiel_000000_000007) without the frames 1 earlier' in n for n in notes
    )


def test_void_labels_are_what_a_test_split_has_and_no_split_to_learn_from(street) -> None:
    notes = [finding.sentence for finding in check_folder(street.root)]
    assert 'test: labels are void, as Cityscapes ships them' in notes
    for path in (street.root / 'gtFine/train').rglob('*.png'):
        street.void_label(path.name.removesuffix('_gtFine_labelIds.png'), 'train')
    assert problems(street.root)[0].startswith('train: the label files look like train ids')


def test_a_street_without_sky_trees_and_cars_is_no_problem(street) -> None:
    ids = np.array([0, 7, 8, 11, 17], np.uint8)  # nothing, road, sidewalk, building, pole
    for path in (street.root / 'gtFine').rglob('*.png'):
        cv2.imwrite(str(path), np.resize(ids, (32, 64)))
    assert problems(street.root) == []
    notes = [finding.sentence for finding in check_folder(street.root)]
    assert any('look like train ids, their highest value is 17' in each for each in notes)


def test_cameras_are_missed_under_the_neighbours_that_will_be_used(street) -> None:
    for path in (street.root / 'camera').rglob('*.json'):
        path.unlink()
    notes = {gap: [each.sentence for each in check_folder(street.root, gap)] for gap in (1, 3)}
    assert any('have neighbours but no camera file' in each for each in notes[1])
    assert any('they have no neighbours either' in each for each in notes[3])


def test_control_c_is_one_line(street, capsys, monkeypatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr('sds_training.data.prepare.build_cache', interrupt)
    assert main([str(street.root), '--size', '32x16']) == 130
    assert capsys.readouterr().err == 'sds-prepare: stopped; the same command goes on\n'


def test_prepare_checks_writes_and_has_nothing_left_to_do(street, capsys) -> None:
    command = [str(street.root), '--size', '32x16', '--workers', '1']
    assert main(command) == 0
    assert '28 files added' in capsys.readouterr().out  # 8 frames, 12 neighbours, 8 labels
    assert main(command) == 0
    assert '\n0 files added' in capsys.readouterr().out


def test_positions_asked_for_in_vain_are_told(street, capsys, monkeypatch) -> None:
    monkeypatch.setattr(logging.root, 'handlers', [])  # as they are outside pytest
    monkeypatch.setattr(logging.root, 'level', logging.WARNING)
    command = [str(street.root), '--size', '32x16', '--workers', '1']
    assert main([*command, '--extra-unlabelled', '5,25']) == 0
    assert 'of 16 frames that data.extra_unlabelled asks for 16 are' in capsys.readouterr().err


def test_check_only_writes_nothing(street, capsys) -> None:
    assert main([str(street.root), '--check-only', '--neighbour-gap', '2']) == 0
    assert 'without the frames 2 earlier' in capsys.readouterr().out
    assert not (street.root / '.sds_cache').exists()


def test_an_archive_unpacked_one_level_too_deep_is_found(street, tmp_path, capsys) -> None:
    (street.root / 'gtFine_trainvaltest').mkdir()
    (street.root / 'gtFine').rename(street.root / 'gtFine_trainvaltest/gtFine')
    assert main([str(street.root)]) == 1
    out = capsys.readouterr().out
    assert f'move it to {street.root / "gtFine"}' in out and 'nothing was written' in out


def test_a_folder_with_the_name_of_a_kind_is_misplaced_only_where_that_kind_is_missing(
    street, tmp_path
) -> None:
    (street.root / 'notes/camera').mkdir(parents=True)
    (street.root / 'notes/depth').mkdir()
    (street.root / 'itself').symlink_to(street.root)
    assert problems(street.root) == []
    named_like_one = street.root.rename(tmp_path / 'camera')
    assert problems(named_like_one) == []


def test_giving_a_folder_inside_the_root_is_told(street) -> None:
    assert 'give its parent' in problems(street.root / 'leftImg8bit')[0]


@pytest.mark.parametrize(
    ('ending', 'told'),
    [
        ('_gtFine_labelTrainIds', '_labelTrainIds'),
        ('_gtFine_color', '_color'),
        ('_gtFine_instanceIds', '_instanceIds'),
        ('_gtCoarse_labelIds', '_gtCoarse_labelIds'),
    ],
)
def test_the_wrong_label_files_are_told_by_name(street, ending: str, told: str) -> None:
    for path in (street.root / 'gtFine').rglob('*.png'):
        path.rename(path.with_name(path.name.replace('_gtFine_labelIds', ending)))
    assert any(
        f'*{told}.png and no *_gtFine_labelIds.png' in each for each in problems(street.root)
    )


@pytest.mark.parametrize(
    ('content', 'wanted'),
    [
        (np.full((32, 64), 255, np.uint8), 'holds 255, like'),
        (np.full((32, 64), 18, np.uint8), 'look like train ids'),
        (np.full((32, 64, 3), 7, np.uint8), 'has 3 channels, like'),
        (np.full((32, 64), 26_001, np.uint16), 'is uint16, like'),
        (np.full((16, 64), 26, np.uint8), 'is 64x16, its picture is 64x32'),
    ],
)
def test_wrong_label_pixels_are_told_though_the_name_is_right(street, content, wanted) -> None:
    for path in (street.root / 'gtFine').rglob('*.png'):
        cv2.imwrite(str(path), content)
    assert any(wanted in sentence for sentence in problems(street.root))


def test_a_label_of_another_size_is_told_though_the_check_did_not_look_at_it(
    street, capsys, monkeypatch
) -> None:
    monkeypatch.setattr('sds_training.data.check.LABELS_READ', 1)
    path = street.label('kiel_000000_008000')
    cv2.imwrite(str(path), np.full((64, 32), 26, np.uint8))
    assert main([str(street.root), '--size', '32x16', '--workers', '1']) == 1
    assert capsys.readouterr().err.endswith(f'{path} is 32x64, its picture is 64x32\n')


def test_a_neighbour_of_another_size_is_told_though_the_check_did_not_look_at_it(
    street, capsys
) -> None:
    path = street.image('bonn_000001_000163', 'leftImg8bit_sequence')
    cv2.imwrite(str(path), np.zeros((24, 64, 3), np.uint8))
    assert main([str(street.root), '--size', '32x16', '--workers', '1']) == 1
    assert f'{path} is 64x24, the frame beside it, ' in capsys.readouterr().err


def resized(root: Path, folder: str, frames: str, width: int, height: int) -> None:
    """Pictures of bonn at another size; their labels, of the size of before, go."""
    for path in root.glob(f'{folder}/train/bonn/{frames}'):
        cv2.imwrite(str(path), np.zeros((height, width, 3), np.uint8))
    for path in root.glob(f'gtFine/train/bonn/{frames}'):
        path.unlink()


@pytest.mark.parametrize('folder', ['leftImg8bit', 'leftImg8bit_sequence'])
def test_pictures_of_two_sizes_under_one_camera_are_a_problem(street, folder: str) -> None:
    resized(street.root, folder, '*.png', 48, 24)
    (told,) = problems(street.root)
    assert 'bonn' in told and 'is 48x24' in told and 'is 64x32' in told
    assert 'camera files are in pixels of the recorded picture' in told


def test_a_camera_file_for_larger_pictures_is_a_problem(street) -> None:
    resized(street.root, 'leftImg8bit*', '*.png', 30, 15)
    (told,) = problems(street.root)
    assert 'has its principal point at 31, 15, outside the 30x15 picture' in told


def test_sizes_may_differ_between_cameras(street) -> None:
    resized(street.root, 'leftImg8bit*', 'bonn_000001*.png', 48, 24)
    assert problems(street.root) == []


def test_a_label_without_a_picture_is_a_problem(street) -> None:
    street.label('aachen_000099_000019')
    assert any('aachen_000099_000019' in sentence for sentence in problems(street.root))


def test_an_empty_folder_says_what_it_has(tmp_path) -> None:
    (tmp_path / 'holiday').mkdir()
    assert 'the folders it has: holiday' in problems(tmp_path)[0]
    assert 'is not a folder' in problems(tmp_path / 'nowhere')[0]


def test_label_ids_become_train_ids(street) -> None:
    path = street.label('aachen_000098_000019')
    cv2.imwrite(str(path), np.array([[7, 26, 0, 33]], np.uint8))
    np.testing.assert_array_equal(read_label(path), [[0, 13, 255, 18]])


def test_a_picture_that_is_cut_short_is_a_sentence_not_a_trace(street, capsys) -> None:
    path = next((street.root / 'leftImg8bit_sequence').rglob('*000018_leftImg8bit.png'))
    path.write_bytes(b'')
    assert main([str(street.root), '--size', '32x16', '--workers', '1']) == 1
    assert f'{path} cannot be read' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('words', 'told'),
    [
        (['--check-only', '--neighbour-gap', '-1'], 'data.neighbour_gap is -1, wanted 1 or more'),
        (['--neighbour-gap', '0'], 'data.neighbour_gap is 0, wanted 1 or more'),
        (['--cache', '{root}/gtFine/train/kiel/kiel_000000_000007_gtFine_labelIds.png'], 'Not a'),
    ],
)
def test_what_is_no_problem_of_the_data_ends_as_in_every_command(
    street, capsys, words: list[str], told: str
) -> None:
    given = [each.format(root=street.root) for each in words]
    assert main([str(street.root), '--size', '32x16', '--workers', '1', *given]) == 2
    said = capsys.readouterr().err
    assert said.startswith('sds-prepare: ') and told in said and said.count('\n') == 1


@pytest.mark.parametrize('workers', ['-3', '0'])
def test_no_workers_at_all_are_refused(street, capsys, workers: str) -> None:
    with pytest.raises(SystemExit, match='2'):
        main([str(street.root), '--workers', workers])
    assert f"'{workers}' is no number of processes, wanted 1 or more" in capsys.readouterr().err


def test_a_damaged_picture_is_told_once(street) -> None:
    for path in (street.root / 'leftImg8bit/train').rglob('*.png'):
        path.write_bytes(b'')
    told = problems(street.root)
    assert told and len(told) == len(set(told))


def test_a_folder_of_sequences_alone_is_told_what_to_ask_for(city_folder, capsys) -> None:
    city_folder.sequence([f'own_000000_{n:06d}' for n in range(3)])
    command = [str(city_folder.root), '--size', '32x16', '--workers', '1']
    assert main(command) == 2
    assert 'sds-prepare: --extra-unlabelled all' in capsys.readouterr().err
    assert main([*command, '--extra-unlabelled', 'all']) == 0


def test_a_cache_lies_where_and_is_cut_as_asked(street, tmp_path) -> None:
    words = ['--size', '32x32', '--fit', 'stretch', '--cache', str(tmp_path / 'there')]
    assert main([str(street.root), *words, '--workers', '1']) == 0
    assert list((tmp_path / 'there/32x32-stretch').glob('*.raw'))
    assert not (street.root / '.sds_cache').exists()
