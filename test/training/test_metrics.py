from __future__ import annotations

import contextlib
import io
from pathlib import Path

import cv2
import numpy as np
import pytest

from sds_perception.labels import CLASSES, TRAIN_ID, TRAIN_ID_FROM_LABEL_ID
from sds_perception.scene import Scene
from sds_training.data.cityscapes import digest_of
from sds_training.data.validation import ValidationFrame
from sds_training.metrics import ScoredFrame, Tally
from sds_training.metrics.depth import (
    METRICS,
    PROTOCOLS,
    DepthScores,
    counted_pixels,
    depth_errors,
)
from sds_training.metrics.semantics import CAMVID_FOLD, Confusion, fold_table

FULL, CITYSCAPES = PROTOCOLS['full'], PROTOCOLS['cityscapes']
LABEL_IDS = np.array([each.label_id for each in CLASSES], np.uint8)


def official_scores(pairs: list[tuple[Path, Path]]) -> tuple[float, list[float]]:
    """Mean and per-class IoU of (prediction, truth) label id files, by cityscapesScripts."""
    from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as official

    official.args.evalInstLevelScore = False
    official.args.JSONOutput = False
    official.args.quiet = True
    with contextlib.redirect_stdout(io.StringIO()):
        result = official.evaluateImgLists(
            [str(prediction) for prediction, _ in pairs],
            [str(truth) for _, truth in pairs],
            official.args,
        )
    return result['averageScoreClasses'], [result['classScores'][c.name] for c in CLASSES]


def random_pairs(folder: Path, fold: np.ndarray) -> list[tuple[Path, Path]]:
    """Label id files of truths with void in them, and of predictions that are often right."""
    rng = np.random.default_rng(0)
    pairs = []
    for number in range(3):
        truth = rng.integers(0, 34, (40, 60), dtype=np.uint8)
        truth[truth == LABEL_IDS[5]] = 0  # a class that is predicted and never true
        guess = rng.choice(np.delete(np.arange(19), 16), truth.shape)  # and one that is neither
        right = TRAIN_ID_FROM_LABEL_ID[truth]
        keep = (rng.random(truth.shape) < 0.6) & (right < 19) & (right != 16)
        guess = np.where(keep, right, guess)
        truth[truth == LABEL_IDS[16]] = 0
        known = TRAIN_ID_FROM_LABEL_ID[truth] < 19
        folded = truth.copy()
        folded[known] = LABEL_IDS[fold[TRAIN_ID_FROM_LABEL_ID[truth[known]]]]
        paths = (folder / f'guess{number}.png', folder / f'a_0_{number}_gtFine_labelIds.png')
        cv2.imwrite(str(paths[0]), LABEL_IDS[fold[guess]])
        cv2.imwrite(str(paths[1]), folded)
        pairs.append(paths)
    return pairs


@pytest.mark.parametrize('fold', [{}, CAMVID_FOLD], ids=['all classes', 'folded'])
def test_scores_are_those_of_cityscapes_scripts(tmp_path: Path, fold: dict[str, str]) -> None:
    pairs = random_pairs(tmp_path, fold_table(fold))
    confusion = Confusion(fold)
    for guess, truth in pairs:
        ids = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in (truth, guess)]
        confusion.add(*(TRAIN_ID_FROM_LABEL_ID[each] for each in ids))
    mean, by_class = official_scores(pairs)
    assert 0.2 < mean < 0.8
    assert confusion.mean_iou == pytest.approx(mean, abs=1e-12)
    np.testing.assert_allclose(confusion.iou, by_class, atol=1e-12)


def test_folding_while_counting_equals_counting_folded_pictures() -> None:
    rng = np.random.default_rng(1)
    truth, guess = rng.integers(0, 19, (2, 50, 50), dtype=np.uint8)
    table = fold_table(CAMVID_FOLD)
    folding, plain = Confusion(CAMVID_FOLD), Confusion()
    folding.add(truth, guess)
    plain.add(table[truth], table[guess])
    np.testing.assert_array_equal(folding.counts, plain.counts)
    assert np.isnan(folding.iou[TRAIN_ID['wall']]) and not np.isnan(plain.iou[TRAIN_ID['fence']])


def test_a_perfect_picture_scores_one_and_void_changes_nothing() -> None:
    truth = np.arange(38, dtype=np.uint8).reshape(2, 19) % 19
    confusion = Confusion()
    confusion.add(truth, truth)
    confusion.add(np.full((2, 2), 255, np.uint8), np.full((2, 2), 3, np.uint8))
    assert confusion.mean_iou == confusion.accuracy == 1.0


def test_a_pixel_left_unlabelled_by_the_prediction_is_a_miss() -> None:
    confusion = Confusion()
    confusion.add(np.zeros((1, 4), np.uint8), np.array([[0, 0, 0, 255]], np.uint8))
    assert confusion.iou[0] == confusion.accuracy == 0.75


@pytest.mark.parametrize(
    ('fold', 'wanted'),
    [
        ({'tram': 'car'}, "'tram'; the classes are"),
        ({'bus': 'car', 'car': 'truck'}, 'folded itself'),
    ],
)
def test_a_fold_that_cannot_be_is_refused(fold: dict[str, str], wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted):
        fold_table(fold)


def test_a_prediction_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r'truth is \(2, 4\), the prediction is \(4, 2\)'):
        Confusion().add(np.zeros((2, 4), np.uint8), np.zeros((4, 2), np.uint8))


def test_depth_errors_are_the_published_formulas() -> None:
    truth = np.array([[2.0, 4.0], [10.0, 90.0]], np.float32)  # the last one is too far to count
    guess = np.array([[2.0, 5.0], [16.0, 1.0]], np.float32)
    errors = depth_errors(truth, guess, FULL, median_scaling=False)
    logs = np.log([2 / 2, 4 / 5, 10 / 16])
    expected = {
        'abs_rel': (0 + 1 / 4 + 6 / 10) / 3,
        'sq_rel': (0 + 1 / 4 + 36 / 10) / 3,
        'rmse': np.sqrt((0 + 1 + 36) / 3),
        'rmse_log': np.sqrt((logs**2).mean()),
        'delta1': 1 / 3,  # 5/4 is not below 1.25
        'delta2': 2 / 3,
        'delta3': 3 / 3,
    }
    assert errors == pytest.approx(expected)
    assert tuple(errors) == METRICS


def test_median_scaling_forgives_a_wrong_scale_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(2, 60, (20, 30)).astype(np.float32)
    errors = depth_errors(truth, truth / 7, FULL, median_scaling=True)
    assert errors['abs_rel'] == pytest.approx(0, abs=1e-6) and errors['delta1'] == 1.0
    assert depth_errors(truth, truth / 7, FULL, median_scaling=False)['abs_rel'] > 0.8
    assert depth_errors(truth, truth**0.5, FULL, median_scaling=True)['abs_rel'] > 0.1


def test_scaling_goes_by_the_median_and_not_by_one_wild_pixel() -> None:
    truth, guess = np.full((1, 5), 10.0, np.float32), np.full((1, 5), 5.0, np.float32)
    guess[0, 0] = 60.0
    errors = depth_errors(truth, guess, FULL, median_scaling=True)
    assert errors['abs_rel'] == pytest.approx((80 / 10 - 1) / 5)  # clipped to 80 m, the rest exact


def test_the_cityscapes_window_is_that_of_the_published_protocol() -> None:
    assert CITYSCAPES.window(1024, 2048) == (slice(256, 768), slice(192, 1856))
    assert CITYSCAPES.window(256, 512) == (slice(64, 192), slice(48, 464))


def test_pixels_outside_the_window_never_count() -> None:
    truth = np.full((64, 128), 10.0, np.float32)
    guess = np.full_like(truth, 500.0)
    guess[CITYSCAPES.window(64, 128)] = 10.0
    assert depth_errors(truth, guess, CITYSCAPES, median_scaling=False)['rmse'] == 0.0


def test_errors_are_averaged_over_pictures_not_over_pixels() -> None:
    scores = DepthScores(FULL)
    for off, size in ((1.1, (4, 4)), (1.3, (40, 40))):
        truth = np.full(size, 10.0, np.float32)
        scores.add(truth, truth * off)
    assert scores.mean(median_scaling=False)['abs_rel'] == pytest.approx(0.2, abs=1e-6)


def test_pixels_without_a_prediction_are_left_out_and_lower_the_coverage() -> None:
    scores = DepthScores(FULL)
    truth = np.full((2, 4), 10.0, np.float32)
    truth[0, 0] = np.nan
    guess = truth.copy()
    guess[1] = np.nan
    scores.add(truth, guess)
    assert scores.coverage == pytest.approx(3 / 7)
    assert scores.mean(median_scaling=True)['abs_rel'] == 0.0


def test_depth_where_there_is_no_truth_covers_nothing() -> None:
    scores = DepthScores(FULL)
    truth = np.array([[10.0, 10.0, np.nan, 100.0]], np.float32)
    scores.add(truth, np.array([[10.0, np.nan, 10.0, 10.0]], np.float32))
    assert scores.coverage == 0.5


def test_a_picture_without_truth_is_no_picture() -> None:
    scores = DepthScores(FULL)
    scores.add(np.full((2, 2), np.nan, np.float32), np.ones((2, 2), np.float32))
    assert scores.pictures == 0 and np.isnan(scores.mean(median_scaling=True)['rmse'])


def test_truth_counts_only_between_the_bounds_that_the_protocol_tells() -> None:
    truth = np.array([[1e-3, 2e-3, 79.9, 80.0, np.inf, np.nan]], np.float32)
    assert counted_pixels(truth, FULL).tolist() == [[False, True, True, False, False, False]]
    assert 'truth between 0.001 and 80 m' in FULL.describe()


def test_frames_without_truth_are_told_by_name_and_time_and_have_no_other_score() -> None:
    tally = Tally(None, FULL)
    labels, depth = np.zeros((2, 4), np.uint8), np.ones((2, 4), np.float32)
    scene = Scene(labels, depth, labels, 'relative')
    for name, seconds in (('b', 0.1), ('a', 0.3), ('c', 0.2)):
        frame = ValidationFrame(name, Path('a.png'), None, None, None, None)
        tally.add(ScoredFrame(frame, np.zeros((2, 4, 3), np.uint8), scene, None, None), seconds)
    scores = tally.scores()
    assert scores.seconds_per_frame == pytest.approx(0.2)
    assert scores.frames_sha256 == digest_of(['b', 'a', 'c'])
    assert (scores.mean_iou, scores.depth_kind, scores.gaps) == (None, 'none', [])
