from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from sds_perception.labels import CLASSES, TRAIN_ID
from sds_perception.network import NETWORKS, build_network
from sds_perception.perceiver import Perceiver
from sds_perception.release import Release, write_release
from sds_training.data.config import DataConfig
from sds_training.data.validation import validation_frames
from sds_training.evaluate import evaluate, main, read_fold
from sds_training.metrics import PROTOCOLS
from sds_training.report import PictureRows, write_report

NAME = 'ulm_000000_000019'
FX, BASELINE_M = 100.0, 0.2


def write(root: Path, folder: str, ending: str, content: np.ndarray, name: str = NAME) -> Path:
    path = root / folder / 'val' / 'ulm' / f'{name}{ending}'
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), content)
    return path


@pytest.fixture(scope='module')
def release_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained tiny network as a release; it need not be right to be scored."""
    path = tmp_path_factory.mktemp('release') / 'tiny.safetensors'
    torch.manual_seed(0)
    config = NETWORKS['tiny']
    network = build_network(config)
    write_release(path, Release(config, network.state_dict(), (64, 128), 'relative'))
    return path


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two frames of different sizes; the first with label, camera and disparity."""
    monkeypatch.chdir(tmp_path)  # where the command writes if it is not told
    rng = np.random.default_rng(0)
    for name, size in ((NAME, (96, 192)), ('ulm_000001_000019', (60, 100))):
        picture = cv2.resize(rng.integers(0, 256, (6, 12, 3), dtype=np.uint8), size[::-1])
        write(tmp_path, 'leftImg8bit', '_leftImg8bit.png', picture, name)
        ids = np.full(size, CLASSES[TRAIN_ID['road']].label_id, np.uint8)
        ids[: size[0] // 2] = CLASSES[TRAIN_ID['wall']].label_id
        write(tmp_path, 'gtFine', '_gtFine_labelIds.png', ids, name)
    disparity_px = np.full((96, 192), 2.0)  # 10 m
    raw = (disparity_px * 256 + 1).astype(np.uint16)
    raw[:, :50] = 0
    write(tmp_path, 'disparity', '_disparity.png', raw)
    camera = tmp_path / 'camera/val/ulm' / f'{NAME}_camera.json'
    camera.parent.mkdir(parents=True)
    intrinsic = {'fx': FX, 'fy': FX, 'u0': 95.0, 'v0': 47.0}
    camera.write_text(json.dumps({'intrinsic': intrinsic, 'extrinsic': {'baseline': BASELINE_M}}))
    return tmp_path


def test_stereo_disparity_becomes_metres(root: Path) -> None:
    depth_m = validation_frames(DataConfig(root=str(root)))[0].depth_m((96, 192))
    assert np.isnan(depth_m[:, :50]).all()
    np.testing.assert_allclose(depth_m[:, 50:], FX * BASELINE_M / 2.0)


def test_exact_depth_is_preferred_to_disparity(root: Path) -> None:
    folder = root / 'depth/val/ulm'
    folder.mkdir(parents=True)
    exact = np.full((96, 192), 12.5, np.float16)
    exact[0] = np.inf
    np.save(folder / f'{NAME}_depth.npy', exact)
    depth_m = validation_frames(DataConfig(root=str(root)))[0].depth_m((96, 192))
    assert np.isnan(depth_m[0]).all() and (depth_m[1:] == 12.5).all()


def test_a_perceiver_is_scored_at_the_frames_own_size(root: Path, release_file: Path) -> None:
    """The scores are those of comparing every pixel of the scene with every pixel of the file."""
    perceiver = Perceiver.from_release(release_file)
    seen = []
    frames = validation_frames(DataConfig(root=str(root)))
    scores = evaluate(
        perceiver,
        frames,
        protocol=PROTOCOLS['full'],
        on_frame=lambda n, judged: seen.append(judged),
    )
    assert [judged.scene.labels.shape for judged in seen] == [(96, 192), (60, 100)]
    agree = sum(int((judged.labels == judged.scene.labels).sum()) for judged in seen)
    assert scores.accuracy == pytest.approx(agree / (96 * 192 + 60 * 100))
    assert scores.frames == scores.labelled_frames == 2 and scores.depth_frames == 1
    scene, truth = seen[0].scene.depth, seen[0].depth_m
    counted = np.isfinite(scene) & np.isfinite(truth)
    expected = np.abs(np.clip(scene, 1e-3, 80) - truth)[counted] / truth[counted]
    assert scores.depth['abs_rel'] == pytest.approx(expected.mean(), rel=1e-5)


def test_the_command_writes_scores_and_a_page_that_needs_nothing_else(
    root: Path, release_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / 'out'
    assert main([str(release_file), str(root), '--output', str(out), '--fold', 'camvid']) == 0
    scores = json.loads((out / 'scores.json').read_text())
    assert scores['iou']['wall'] is None and scores['fold']['wall'] == 'fence'
    assert (
        scores['detail'] == 'fast'
        and scores['frames'] == 2
        and 'rows 0.25 to 0.75' in scores['depth_protocol']
    )
    page = (out / 'report.html').read_text()
    assert page.count('data:image/png;base64,') == 5 + 7  # depth truth for one frame only
    assert 'http' not in page and f'{scores["mean_iou"]:.4f}' in page
    assert 'mean IoU' in capsys.readouterr().out


def test_labels_that_are_all_void_are_told_in_place_of_class_scores(
    root: Path, release_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for path in (root / 'gtFine').rglob('*.png'):
        cv2.imwrite(str(path), np.full_like(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), 3))
    out = tmp_path / 'out'
    assert main([str(release_file), str(root), '--output', str(out)]) == 0
    told = 'the labels of all 2 labelled frames are void'
    assert told in capsys.readouterr().out and told in (out / 'report.html').read_text()


@pytest.mark.parametrize(
    ('folder', 'ending', 'truth'),
    [
        ('gtFine', '_gtFine_labelIds.png', np.full((48, 96), 7, np.uint8)),
        ('disparity', '_disparity.png', np.full((48, 96), 512, np.uint16)),
        ('depth', '_depth.npy', np.full((48, 96), 9.0, np.float32)),
    ],
)
def test_truth_of_another_size_than_its_picture_is_named(
    root: Path, release_file: Path, capsys: pytest.CaptureFixture, folder: str, ending: str,
    truth: np.ndarray,
) -> None:  # fmt: skip
    file = root / folder / f'val/ulm/{NAME}{ending}'
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(file, truth) if file.suffix == '.npy' else cv2.imwrite(str(file), truth)
    assert main([str(release_file), str(root)]) == 2
    told = f'sds-evaluate: {file} is 96x48, its picture is 192x96\n'
    assert capsys.readouterr().err == told


def test_disparities_that_no_camera_turns_into_metres_are_counted(
    root: Path, release_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    next((root / 'camera').rglob('*.json')).unlink()
    out = tmp_path / 'out'
    assert main([str(release_file), str(root), '--output', str(out)]) == 0
    assert 'with a disparity file and no camera file (1 of 2)' in capsys.readouterr().out
    scores = json.loads((out / 'scores.json').read_text())
    assert (scores['depth_frames'], scores['disparities_without_camera']) == (0, 1)


def test_depth_truth_without_a_pixel_to_score_is_told(
    root: Path, release_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    write(root, 'disparity', '_disparity.png', np.zeros((96, 192), np.uint16))
    out = tmp_path / 'out'
    assert main([str(release_file), str(root), '--output', str(out)]) == 0
    told = 'no depth scores of 1 of 2 frames whose depth truth can be read'
    page = (out / 'report.html').read_text()
    assert told in capsys.readouterr().out and told in page and 'No depth truth' not in page


def test_a_page_that_cannot_be_written_to_its_end_leaves_the_one_before(
    root: Path, release_file: Path, tmp_path: Path
) -> None:
    frames = validation_frames(DataConfig(root=str(root)))
    scores = evaluate(Perceiver.from_release(release_file), frames)
    page, rows = tmp_path / 'report.html', PictureRows(0, 0, {}, PROTOCOLS['full'])
    write_report(page, {'release': 'first'}, scores, rows)
    before = page.read_text()
    with pytest.raises(UnicodeEncodeError):
        write_report(page, {'release': 'a name that is no text \udcff'}, scores, rows)
    assert page.read_text() == before


def test_a_folder_that_cannot_be_made_is_refused_before_the_first_frame(
    root: Path, release_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    seen: list[object] = []
    monkeypatch.setattr(Perceiver, '__call__', lambda *frame: seen.append(frame))
    (root / 'file').write_text('no folder')
    assert main([str(release_file), str(root), '--output', str(root / 'file')]) == 2
    assert not seen
    assert f'{root / "file"} is a file, wanted a folder to write' in capsys.readouterr().err


def test_less_than_no_pictures_are_refused(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit, match='2'):
        main(['release', 'root', '--pictures=-1'])
    assert "'-1' is no number of pictures, wanted 0 or more" in capsys.readouterr().err


def test_a_fold_file_maps_class_to_class(tmp_path: Path) -> None:
    file = tmp_path / 'fold.yaml'
    file.write_text('wall: fence\ntraffic light: traffic sign\n')
    assert read_fold(str(file)) == {'wall': 'fence', 'traffic light': 'traffic sign'}


@pytest.mark.parametrize(
    ('arguments', 'wanted'),
    [
        (['{release}', '{root}', '--fold', 'nowhere.yaml'], 'neither a file nor one of'),
        (['{release}', '{root}', '--split', 'test'], "split 'test'"),
        (['{release}', '{root}', '--fold', '{fold}'], 'bad.yaml is no YAML'),
        (['{release}', '{root}', '--fold', '{release}'], 'tiny.safetensors is no text'),
        (['{release}', '{root}', '--device', 'cuda:99'], 'cuda:99'),
        (['{release}', '{root}', '--device', 'gpu'], "device is 'gpu', wanted"),
        (['{root}/nothing', '{root}'], 'nothing'),
    ],
)
def test_what_cannot_be_scored_is_refused_in_a_sentence(
    root: Path,
    release_file: Path,
    capsys: pytest.CaptureFixture,
    arguments: list[str],
    wanted: str,
) -> None:
    fold = root / 'bad.yaml'
    fold.write_text('wall: [fence')
    given = [each.format(release=release_file, root=root, fold=fold) for each in arguments]
    assert main(given) == 2
    said = capsys.readouterr().err
    assert wanted in said and said.count('\n') == 1


def test_control_c_is_one_line(
    root: Path,
    release_file: Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Perceiver, '__call__', interrupt)
    assert main([str(release_file), str(root)]) == 130
    assert capsys.readouterr().err == 'sds-evaluate: stopped; nothing was written\n'


def test_an_option_that_does_nothing_for_the_engine_is_refused(
    root: Path, release_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    words = [str(release_file), str(root), '--provider', 'cpu', '--output', str(tmp_path / 'out')]
    assert main(words) == 2
    assert '--provider does nothing for engine torch' in capsys.readouterr().err


def test_a_release_is_scored_at_the_size_asked_for(
    root: Path, release_file: Path, tmp_path: Path
) -> None:
    seen: dict[str, object] = {}
    for size in ('64x32', '128x64'):
        out = tmp_path / size
        words = [str(release_file), str(root), '--input-size', size, '--output', str(out)]
        assert main(words) == 0
        seen[size] = json.loads((out / 'scores.json').read_text())['depth']
    assert seen['64x32'] != seen['128x64']
