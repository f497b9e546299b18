"""Some of the user's frames, to compare and to calibrate engines on."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

from sds_perception.offline.frames import OfflineError
from sds_perception.offline.samples import user_frames


@pytest.mark.parametrize(
    ('count', 'places'), [(3, [0, 2, 4]), (4, [0, 1, 3, 5]), (7, range(7)), (9, range(7))]
)
def test_user_frames_are_spread_over_all_of_the_source(tmp_path, count, places):
    for number in range(7):
        cv2.imwrite(str(tmp_path / f'{number}.png'), np.full((20, 30, 3), number * 10, np.uint8))
    frames = user_frames(tmp_path, (64, 96), count)
    assert frames.shape[1:] == (64, 96, 3)
    assert frames[:, 0, 0, 0].tolist() == [10 * place for place in places]


def test_a_picture_that_cannot_be_read_costs_only_itself(tmp_path):
    (tmp_path / '0.png').write_bytes(b'no picture')
    with pytest.raises(OfflineError, match='holds no frame that can be used'):
        user_frames(tmp_path, (64, 96), 3)
    cv2.imwrite(str(tmp_path / '1.png'), np.zeros((20, 30, 3), np.uint8))
    assert len(user_frames(tmp_path, (64, 96), 3)) == 1


def test_a_topic_means_nothing_to_pictures(tmp_path):
    cv2.imwrite(str(tmp_path / '0.png'), np.zeros((20, 30, 3), np.uint8))
    assert len(user_frames(tmp_path, (64, 96), 1, '/image')) == 1


def test_a_source_without_frames_is_refused(tmp_path):
    with pytest.raises(OfflineError, match='cannot be used'):
        user_frames(tmp_path / 'nothing', (64, 96), 3)


def test_pictures_are_opened_without_torch() -> None:
    code = "import sys, sds_perception.offline.samples; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0


def test_the_core_of_perception_does_not_load_what_reads_files() -> None:
    code = (
        'import sys, sds_perception.perceiver; '
        "sys.exit(any(each.startswith('sds_perception.offline') for each in sys.modules))"
    )
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0


def test_frames_that_cannot_be_used_are_told(tmp_path, caplog):
    for number in range(3):
        cv2.imwrite(str(tmp_path / f'{number}.png'), np.zeros((20, 30, 3), np.uint8))
    (tmp_path / '1.png').write_bytes(b'no picture')
    assert len(user_frames(tmp_path, (64, 96), 3)) == 2
    assert f'1 of 3 frames of {tmp_path} cannot be used (first: 1.png: ' in caplog.text
