"""What the page of an evaluation shows of each frame."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from sds_perception.labels import TRAIN_ID, UNLABELLED
from sds_perception.scene import Scene
from sds_training.data.validation import ValidationFrame
from sds_training.metrics import FOLDS, PROTOCOLS, DepthProtocol, ScoredFrame, Tally
from sds_training.report import (
    WORST_RELATIVE_ERROR,
    PictureRows,
    depth_error_picture,
    write_report,
    wrong_classes,
)

FULL = PROTOCOLS['full']
RED = [230, 40, 40]
ROAD, WALL, FENCE = (np.uint8(TRAIN_ID[name]) for name in ('road', 'wall', 'fence'))


def judged(name: str = 'a', seen: np.uint8 = ROAD, true: np.uint8 = ROAD) -> ScoredFrame:
    """A frame twice as wide as high, of one class and 10 m away, seen at half of that."""
    frame = ValidationFrame(name, Path('a.png'), None, None, None, None)
    rgb = np.full((20, 40, 3), (200, 120, 40), np.uint8)
    depth, labels = np.full((20, 40), 10.0, np.float32), np.full((20, 40), seen, np.uint8)
    scene = Scene(labels, depth / 2, np.zeros((5, 10), np.uint8), 'relative')
    return ScoredFrame(frame, rgb, scene, np.full_like(labels, true), depth)


def page_of(folder: Path, frame: ScoredFrame, fold: dict[str, str], release: str = '') -> str:
    tally, rows = Tally(fold, FULL), PictureRows(1, 1, fold, FULL)
    tally.add(frame, 0.5)
    rows.add(0, frame)
    write_report(folder / 'report.html', {'release': release}, tally.scores(), rows)
    return (folder / 'report.html').read_text(encoding='utf-8')


@pytest.mark.parametrize(
    ('frames', 'shown', 'wanted'),
    [(9, 3, '048'), (9, 1, '0'), (2, 8, '01'), (3, 0, ''), (0, 3, '')],
)
def test_frames_are_shown_evenly_spaced_from_the_first_to_the_last(
    frames: int, shown: int, wanted: str
) -> None:
    rows = PictureRows(frames, shown, {}, FULL)
    for place in range(frames):
        rows.add(place, judged(str(place)))
    assert ''.join(name for name, _ in rows.rows) == wanted


def test_only_a_class_that_is_known_to_be_wrong_is_red() -> None:
    rgb = np.full((1, 3, 3), (200, 120, 40), np.uint8)
    labels = np.array([[ROAD, WALL, ROAD]])
    truth = np.array([[ROAD, ROAD, UNLABELLED]], np.uint8)
    picture = wrong_classes(rgb, labels, truth)
    assert [each.tolist() == RED for each in picture[0]] == [False, True, False]
    assert len(set(picture[0, 0].tolist())) == len(set(picture[0, 2].tolist())) == 1  # grey


@pytest.mark.parametrize(('seen', 'true'), [(WALL, FENCE), (FENCE, WALL)])
def test_classes_that_are_counted_as_one_are_not_shown_as_wrong(
    seen: np.uint8, true: np.uint8
) -> None:
    for fold, wrong in ((FOLDS['camvid'], False), ({}, True)):
        rows = PictureRows(1, 1, fold, FULL)
        rows.add(0, judged('a', seen, true))
        shown = rows.rows[0][1]['wrong classes (red)']
        assert (shown[0, 0].tolist() == RED) == wrong


def test_depth_errors_are_shares_of_the_truth_after_median_scaling_dark_to_bright() -> None:
    truth = np.full((3, 5), 10.0, np.float32)
    truth[0] = (20.0, 40.0, 20.0, np.nan, 20.0)
    depth = truth / 7
    depth[0] = np.array((25.0, 10.0, np.nan, 20.0, 20.0)) / 7
    picture = depth_error_picture(depth, truth, FULL)
    level = np.array([255 * 0.25 / WORST_RELATIVE_ERROR, 255, 1], np.uint8)
    colours = cv2.applyColorMap(level[:, None], cv2.COLORMAP_VIRIDIS)[:, 0, ::-1]
    middle, worst, none = colours.tolist()
    assert picture[0].tolist() == [middle, worst, [0, 0, 0], [0, 0, 0], none]
    assert (picture[1:] == none).all() and worst[0] > worst[2]  # yellow


def test_no_depth_error_is_shown_where_the_protocol_counts_nothing() -> None:
    far = np.full((4, 4), 100.0, np.float32)
    assert not depth_error_picture(far, far, FULL).any()
    upper = DepthProtocol('upper half', bottom=0.5)
    shown = depth_error_picture(far / 10, far / 10, upper)
    assert shown[:2].any(axis=-1).all() and not shown[2:].any()


def test_the_page_tells_the_true_pixels_of_every_class_that_is_scored(tmp_path: Path) -> None:
    page = page_of(tmp_path, judged('a', WALL, FENCE), {})
    assert re.search(r'fence</td><td>0.0000</td><td>800<', page)
    assert re.search(r'wall</td><td>0.0000</td><td>0<', page)
    assert re.search(r'road</td><td>–</td><td>0<', page)
    folded = page_of(tmp_path, judged('a', WALL, FENCE), {'wall': 'fence'})
    assert 'fence</td><td>1.0000</td><td>800<' in folded and '</span>wall<' not in folded
    assert 'wall as fence' in folded


def test_the_page_holds_depth_errors_before_and_after_scaling(tmp_path: Path) -> None:
    page = page_of(tmp_path, judged(), {})
    assert '<td>abs_rel</td><td>0.5000</td><td>0.0000</td>' in page


def test_the_page_takes_no_name_for_markup(tmp_path: Path) -> None:
    page = page_of(tmp_path, judged('<i>a'), {}, release='<b>mine')
    assert '&lt;b&gt;mine' in page and '&lt;i&gt;a' in page
    assert '<b>' not in page and '<i>' not in page


def test_pictures_keep_their_colours_and_their_shape(tmp_path: Path) -> None:
    page = page_of(tmp_path, judged(), {})
    data = re.findall(r'base64,([^"]+)" alt="input"', page)[0]
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (180, 360, 3) and (picture[..., ::-1] == (200, 120, 40)).all()
