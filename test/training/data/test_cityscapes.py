from __future__ import annotations

import pytest

from sds_training.data.cityscapes import DataError, scan, shifted


def test_the_frames_of_a_snippet_find_each_other(street) -> None:
    layout = scan(street.root, 'train')
    earlier, later = layout.neighbours('aachen_000000_000019', 1)
    assert earlier.name == 'aachen_000000_000018_leftImg8bit.png'
    assert later.name == 'aachen_000000_000020_leftImg8bit.png'


def test_a_frame_whose_sequence_is_not_there_has_no_neighbours(street) -> None:
    layout = scan(street.root, 'train')
    assert layout.neighbours('kiel_000000_000007', 1) is None
    assert layout.neighbours('aachen_000000_000019', 3) is None  # only two frames either side


def test_a_part_of_the_sequence_archive_serves_the_frames_it_has(street) -> None:
    for path in (street.root / 'leftImg8bit_sequence/train/aachen').glob('aachen_000001_*'):
        path.unlink()
    layout = scan(street.root, 'train')
    assert layout.neighbours('aachen_000001_000019', 1) is None
    assert layout.neighbours('aachen_000000_000019', 1) is not None


def test_every_frame_of_a_snippet_uses_the_snippets_camera_file(street) -> None:
    layout = scan(street.root, 'train')
    assert layout.camera('bonn_000001_000162') == layout.cameras['bonn_000001_000164']


def test_a_sequence_without_a_camera_file_uses_one_of_its_city(street) -> None:
    layout = scan(street.root, 'train')
    street.image('aachen_000009_000000')
    assert layout.camera('aachen_000009_000000') == layout.cameras['aachen_000000_000019']
    assert layout.camera('kiel_000000_000007') is None


def test_of_several_cameras_of_a_sequence_the_nearest_serves(city_folder) -> None:
    city_folder.image('ulm_000000_000001')
    for number in (0, 40, 90):
        city_folder.camera(f'ulm_000000_{number:06d}')
    layout = scan(city_folder.root, 'train')
    for frame, wanted in ((10, 0), (30, 40), (64, 40), (200, 90)):
        there = layout.cameras[f'ulm_000000_{wanted:06d}']
        assert layout.camera(f'ulm_000000_{frame:06d}') == there


def test_snippet_positions_count_from_the_labelled_frame_at_nineteen(street) -> None:
    layout = scan(street.root, 'train')
    names = layout.snippet_frames((20,))
    assert 'kiel_000000_000008' in names  # asked for, and not there
    names = [name for name in names if name in layout.sequence]
    assert 'aachen_000000_000020' in names
    assert 'bonn_000000_000165' in names  # running frame numbers, labelled at 164
    assert len(names) == 6


def test_a_sequence_without_anything_else_counts_from_its_first_frame(city_folder) -> None:
    city_folder.sequence([f'oslo_000000_{number:06d}' for number in range(5, 9)])
    assert scan(city_folder.root, 'train').snippet_frames((0,)) == ['oslo_000000_000005']


def test_jpg_pictures_are_found_and_png_wins_over_jpg(street) -> None:
    png = street.root / 'leftImg8bit/train/kiel/kiel_000000_000007_leftImg8bit.png'
    png.with_suffix('.jpg').write_bytes(png.read_bytes())
    assert scan(street.root, 'train').images['kiel_000000_000007'] == png
    png.unlink()
    assert scan(street.root, 'train').images['kiel_000000_000007'].suffix == '.jpg'


def test_a_folder_without_pictures_is_refused_with_the_layout_wanted(tmp_path) -> None:
    with pytest.raises(DataError, match='leftImg8bit/train/<city>'):
        scan(tmp_path, 'train')


@pytest.mark.parametrize(('by', 'wanted'), [(1, 'a_b_0_000020'), (-19, 'a_b_0_000000')])
def test_shifting_a_name_keeps_city_sequence_and_digits(by: int, wanted: str) -> None:
    assert shifted('a_b_0_000019', by) == wanted


def test_two_frames_of_one_name_are_refused_by_both(street) -> None:
    """Files are matched by name: one folder's label would be learnt with the other's picture."""
    name = 'aachen_000000_000019'
    first = street.path('leftImg8bit', name, '_leftImg8bit.png')
    second = first.parents[1] / 'other' / first.name
    second.parent.mkdir()
    second.write_bytes(first.read_bytes())
    with pytest.raises(DataError, match=f'{first} and {second} are of one name'):
        scan(street.root, 'train')
