"""Which frames are scored, and by which truth."""

from __future__ import annotations

from pathlib import Path

import pytest

from sds_training.data.cityscapes import DataError
from sds_training.data.config import DataConfig
from sds_training.data.validation import ValidationFrame, validation_frames

FILE = Path('a_file')


@pytest.mark.parametrize(
    ('camera', 'disparity', 'depth', 'alone'),
    [
        (None, FILE, None, True),
        (FILE, FILE, None, False),
        (None, FILE, FILE, False),
        (None, None, None, False),
    ],
)
def test_a_disparity_is_no_truth_where_neither_a_camera_nor_a_depth_is_beside_it(
    camera: Path | None, disparity: Path | None, depth: Path | None, alone: bool
) -> None:
    frame = ValidationFrame('a', FILE, None, camera, disparity, depth)
    assert frame.lone_disparity == alone
    assert not alone or frame.depth_m((2, 4)) is None


def test_only_frames_with_a_truth_of_the_split_are_scored_in_the_order_of_their_names(
    city_folder,
) -> None:
    for name in ('ulm_000000_000019', 'bonn_000000_000019', 'kiel_000000_000019'):
        city_folder.image(name, split='mine')
    city_folder.label('ulm_000000_000019', 'mine')
    depth = city_folder.path('depth', 'bonn_000000_000019', '_depth.npy', 'mine')
    depth.write_bytes(b'')
    config = DataConfig(root=str(city_folder.root))
    frames = validation_frames(config, 'mine')
    assert [each.name for each in frames] == ['bonn_000000_000019', 'ulm_000000_000019']
    assert [each.depth for each in frames] == [depth, None]
    frames[1].label.unlink()
    depth.unlink()
    with pytest.raises(DataError, match="no frame of the split 'mine' with a label, a disparity"):
        validation_frames(config, 'mine')
