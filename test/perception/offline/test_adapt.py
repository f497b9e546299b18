from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sds_perception.brightness import brightened
from sds_perception.calibration import pinhole
from sds_perception.camera import Camera
from sds_perception.engines.reference_frames import synthetic_frames
from sds_perception.network import NetworkConfig, SdsNetwork
from sds_perception.offline.adapt import BATCH, adapted_release, main
from sds_perception.offline.bag_writer import BagWriter
from sds_perception.offline.frames import Frame
from sds_perception.offline.samples import user_frames
from sds_perception.release import (
    Release,
    ReleaseError,
    named_release,
    read_release,
    untrained_release,
    write_release,
)

Frames = NDArray[np.uint8]


@pytest.fixture(scope='module')
def frames(metric_release: Release) -> Frames:
    """More than one batch."""
    return synthetic_frames(metric_release.input_size, BATCH + 3)


def statistics(release: Release) -> set[str]:
    return {name for name in release.weights if name.endswith(('running_mean', 'running_var'))}


def test_statistics_follow_the_frames_and_weights_stay(
    metric_release: Release, frames: Frames
) -> None:
    adapted = adapted_release(metric_release, frames)
    before, after = metric_release.weights, adapted.weights
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name for name in changed if 'num_batches' not in name} == statistics(metric_release)
    assert [each.dtype for each in before.values()] == [each.dtype for each in after.values()]


def test_weights_of_half_precision_stay_so(metric_release: Release, frames: Frames) -> None:
    half = {n: w.half() if w.ndim > 1 else w for n, w in metric_release.weights.items()}
    adapted = adapted_release(replace(metric_release, weights=half), frames[:1]).weights
    assert {name: each.dtype for name, each in adapted.items()} == {
        name: each.dtype for name, each in half.items()
    }


def test_the_first_layer_remembers_the_mean_of_what_it_saw(
    metric_release: Release, frames: Frames
) -> None:
    """In two batches of unequal size, so it is nearly that of all pixels."""
    network: SdsNetwork = metric_release.network()
    name, first = next(
        (name, each)
        for name, each in network.named_modules()
        if isinstance(each, torch.nn.BatchNorm2d)
    )
    seen: list[torch.Tensor] = []
    first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        for batch in np.array_split(frames, 2):
            network(torch.from_numpy(batch).permute(0, 3, 1, 2) / 255)
    wanted = torch.stack([each.mean((0, 2, 3)) for each in seen]).mean(0)
    found = adapted_release(metric_release, frames, 1.0).weights[f'{name}.running_mean']
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_new_statistics_have_their_share_beside_the_old_ones(
    metric_release: Release, frames: Frames
) -> None:
    old, half, new = (
        adapted_release(metric_release, frames, each).weights for each in (0, 0.5, 1)
    )
    default = adapted_release(metric_release, frames).weights
    for name in statistics(metric_release):
        torch.testing.assert_close(old[name], metric_release.weights[name])
        torch.testing.assert_close(half[name], (old[name] + new[name]) / 2)
        assert torch.equal(half[name], default[name]) and not torch.equal(old[name], new[name])


def test_a_camera_of_half_the_exposure_is_seen_as_the_bright_one_was() -> None:
    def labels(release: Release, pictures: Frames) -> torch.Tensor:
        image = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255
        with torch.inference_mode():
            return release.network()(image).logits.argmax(dim=1)

    bright = synthetic_frames((192, 384), BATCH) // 2 * 2
    dark = bright // 2  # without a rounding
    at_home = adapted_release(named_release('demo'), bright, 1.0)  # as if it had learnt from these
    wanted = labels(at_home, bright)
    lost = (labels(at_home, dark) == wanted).float().mean()
    found = (labels(adapted_release(at_home, dark, 1.0), dark) == wanted).float().mean()
    assert lost < 0.6 and found > 0.8  # not 1: the zeros around a picture get no darker


def test_the_passport_tells_of_every_adaptation_and_keeps_no_old_scores(
    metric_release: Release, frames: Frames
) -> None:
    first = replace(metric_release, provenance={'scores': {'mean_iou': 0.8}}, digest='first')
    once = adapted_release(first, frames)
    assert once.digest == ''  # by which built engines are found: not those of the first
    once = replace(once, digest='once')
    twice = adapted_release(once, frames[:2], 0.25)
    told = twice.provenance['adapted']
    assert [each['release'] for each in told] == ['first', 'once']
    assert [each['frames'] for each in told] == [len(frames), 2]
    assert [each['share'] for each in told] == [0.5, 0.25]
    assert told[0]['frames_sha256'] != told[1]['frames_sha256']
    assert twice.provenance['scores'] == {}


def test_a_network_without_batch_norm_has_nothing_to_adapt() -> None:
    config = NetworkConfig(
        encoder='nf_regnet_b0',
        output_stride=32,
        block='reflect_elu',
        decoder_channels=(16, 8, 8),
    )
    plain = untrained_release(config, (64, 64))
    with pytest.raises(ReleaseError, match='has no BatchNorm'):
        adapted_release(plain, synthetic_frames((64, 64), 1))


def pictures(folder: Path, frames: Frames) -> Path:
    folder.mkdir()
    for number, frame in enumerate(frames):
        cv2.imwrite(str(folder / f'{number:02}.png'), frame[..., ::-1])
    return folder


def test_the_command_adapts_to_a_folder(
    tmp_path: Path, metric_release: Release, frames: Frames, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after = tmp_path / 'before.safetensors', tmp_path / 'after.safetensors'
    write_release(before, metric_release)
    folder = pictures(tmp_path / 'drive', frames)
    assert main([str(before), str(folder), str(after)]) == 0
    assert f'adapted to {len(frames)} frames of {folder}' in capsys.readouterr().out
    expected = adapted_release(metric_release, frames).weights
    written = read_release(after).weights
    assert all(torch.equal(written[name], expected[name]) for name in expected)


def test_the_command_adapts_to_dark_frames_as_the_perceiver_will_show_them(
    tmp_path: Path, metric_release: Release, frames: Frames
) -> None:
    before, after = tmp_path / 'before.safetensors', tmp_path / 'after.safetensors'
    write_release(before, replace(metric_release, brightness=0.4))
    dark = frames // 3
    assert main([str(before), str(pictures(tmp_path / 'dusk', dark)), str(after)]) == 0
    shown = np.stack([brightened(each, 0.4) for each in dark])
    expected = adapted_release(metric_release, shown).weights
    written = read_release(after)
    assert written.brightness == 0.4
    assert all(torch.equal(written.weights[name], expected[name]) for name in expected)


def test_the_command_takes_as_many_frames_as_it_is_told(
    tmp_path: Path, metric_release: Release, frames: Frames
) -> None:
    before, after = tmp_path / 'before.safetensors', tmp_path / 'after.safetensors'
    write_release(before, metric_release)
    folder = pictures(tmp_path / 'drive', frames)
    assert main([str(before), str(folder), str(after), '--count', '3', '--share', '1']) == 0
    told = read_release(after).provenance['adapted'][0]
    assert (told['frames'], told['share']) == (3, 1)


def test_the_command_sees_the_topic_and_through_the_lens_that_it_is_told(
    tmp_path: Path, metric_release: Release, frames: Frames
) -> None:
    before, after = tmp_path / 'before.safetensors', tmp_path / 'after.safetensors'
    write_release(before, metric_release)
    camera = Camera.guess(frames.shape[2], frames.shape[1])
    bent = replace(pinhole(camera), d=np.array([-0.3, 0.1, 0, 0, 0]))
    with BagWriter(tmp_path / 'bag') as bag:
        for number, rgb in enumerate(frames[:3]):
            frame = Frame(str(number), rgb, number, number, 'cam', bent)
            bag.camera_info('/rear/camera_info', bent, camera, frame)
            bag.image('/front/image', rgb, 'rgb8', frame)
            bag.image('/rear/image', rgb, 'rgb8', frame)
    told = ['--topic', '/rear/image', '--lens', 'rectify']
    assert main([str(before), str(tmp_path / 'bag'), str(after), *told]) == 0
    seen = user_frames(tmp_path / 'bag', frames.shape[1:3], 3, '/rear/image', lens='rectify')
    expected = adapted_release(metric_release, seen).provenance['adapted'][0]['frames_sha256']
    assert read_release(after).provenance['adapted'][0]['frames_sha256'] == expected


@pytest.mark.parametrize(
    ('words', 'told'),
    [
        (['demo', 'nowhere', 'new.safetensors'], 'frames of nowhere cannot be used'),
        (['demo', 'nowhere', 'state.pt'], 'the last path is state.pt, wanted a release'),
        (['none.safetensors', 'nowhere', 'new.safetensors'], 'none.safetensors does not exist'),
    ],
)
def test_what_cannot_be_adapted_is_refused_in_a_sentence(
    words: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    said = capsys.readouterr().err
    assert said.startswith('sds-adapt: ') and told in said and said.count('\n') == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('words', 'told'),
    [
        (['--topic', '/image'], '--topic is for a bag'),
        (['--camera', 'lens.yaml'], '--camera is for --lens rectify'),
        (['--count', '0'], "'0' is no number of frames"),
        (['--share', '1.5'], "'1.5' is no share, wanted 0 to 1"),
    ],
)
def test_an_option_in_vain_is_told(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match='2'):
        main(['demo', 'pictures', 'new.safetensors', *words])
    assert told in capsys.readouterr().err
