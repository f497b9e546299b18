"""The tool that builds and checks engines, as people call it."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sds_perception.brightness import brightened
from sds_perception.calibration import pinhole
from sds_perception.camera import Camera
from sds_perception.engines import cli
from sds_perception.engines.cli import main
from sds_perception.engines.reference_frames import synthetic_frames
from sds_perception.image_codec import encode_png
from sds_perception.offline.bag_writer import BagWriter
from sds_perception.offline.frames import Frame
from sds_perception.release import write_release


@pytest.fixture
def release(release_file: Path) -> str:
    return str(release_file)


def test_the_command_builds_checks_and_refuses(release, cache, tmp_path, capsys) -> None:
    arguments = [release, '--cache', str(cache)]
    assert main(['build', *arguments]) == 0
    assert 'agrees' in capsys.readouterr().out
    assert main(['check', release, '--engine', 'torch']) == 0
    assert main(['check', *arguments, '--precision', 'int8', '--detail', 'fine']) == 2
    assert 'sds-engine build' in capsys.readouterr().err
    assert main(['build', *arguments, '--precision', 'int8']) == 2
    assert main(['check', str(tmp_path / 'none.safetensors')]) == 2


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (
            ['check', '--engine', 'torch', '--provider', 'tensorrt'],
            '--provider does nothing for engine torch',
        ),
        (
            ['check', '--engine', 'openvino', '--provider', 'cpu'],
            '--provider does nothing for engine openvino',
        ),
        (['check', '--engine', 'torch', '--cache', 'x'], '--cache does nothing for engine torch'),
        (['build', '--method', 'percentile'], '--method is for --calibrate'),
        (['check', '--topic', '/left'], '--topic is for a bag'),
        (['check', '--topic', '/left', '--frames', 'folder'], '--topic is for a bag'),
        (['check', '--lens', 'rectify'], '--lens is for pictures'),
        (['check', '--camera', 'x.yaml', '--frames', 'y'], '--camera is for --lens rectify'),
    ],
)
def test_options_that_could_do_nothing_are_refused(arguments, sentence, capsys) -> None:
    command, *options = arguments
    with pytest.raises(SystemExit, match='2'):
        main([command, 'missing', *options])
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (['--device', 'tpu'], "device is 'tpu'"),
        (['--provider', 'tensorrt'], 'tensorrt does not run on device cpu'),
        (
            ['--device', 'cuda', '--provider', 'cuda'],
            'no CUDAExecutionProvider|with onnxruntime cuda',
        ),
        (['--engine', 'openvino', '--device', 'cuda'], "runs on 'cpu' only"),
        (['--engine', 'mnn'], 'int8 is for engine onnxruntime or openvino, not mnn'),
        (['--engine', 'torch'], 'not torch'),
    ],
)
def test_what_cannot_run_in_int8_is_refused_before_frames_are_read(
    arguments, sentence, release, capsys
) -> None:
    asked = ['build', release, '--precision', 'int8', '--calibrate', 'missing', *arguments]
    assert main(asked) == 2
    assert re.search(sentence, capsys.readouterr().err)


def test_the_command_that_int8_is_refused_with_makes_it(release, tmp_path, capsys) -> None:
    cache, frames = str(tmp_path / 'my cache'), tmp_path / 'frames'
    frames.mkdir()
    for number, picture in enumerate(synthetic_frames((64, 96), 2)):
        (frames / f'{number}.png').write_bytes(encode_png(picture).tobytes())
    asked = ['check', release, '--precision', 'int8', '--detail', 'fine', '--cache', cache]
    asked += ['--input-size', '64x32']
    assert main(asked) == 2
    advice = capsys.readouterr().err.rsplit('run sds-engine ', 1)[1]
    words = shlex.split(advice.replace('RELEASE', release).replace('FRAMES', str(frames)))
    assert main(words) != 2
    assert main(asked) != 2


@pytest.fixture
def two_cameras(tmp_path: Path) -> str:
    """A bag with two picture topics."""
    picture, lens = np.zeros((48, 80, 3), np.uint8), pinhole(Camera.guess(80, 48))
    with BagWriter(tmp_path / 'two') as bag:
        for number in range(2):
            frame = Frame(str(number), picture, number, number, 'camera', lens)
            bag.image('/left/image', picture, 'rgb8', frame)
            bag.image('/right/image', picture, 'rgb8', frame)
    return str(tmp_path / 'two')


def test_of_two_cameras_in_a_bag_one_is_chosen_by_its_topic(release, two_cameras, capsys) -> None:
    arguments = ['check', release, '--engine', 'torch', '--frames', two_cameras]
    assert main(arguments) == 2
    assert 'choose one with --topic: /left/image, /right/image' in capsys.readouterr().err
    assert main([*arguments, '--topic', '/right/image']) == 0
    assert 'on 2 frames' in capsys.readouterr().out


def test_a_topic_is_of_the_bag_and_the_folder_beside_it_is_read_before_calibrating(
    release, two_cameras, tmp_path, monkeypatch, capsys
) -> None:
    calibrated: list[object] = []
    monkeypatch.setattr(cli, 'calibrate', lambda *told: calibrated.append(told[2]))
    monkeypatch.setattr(cli, 'build_engine', lambda *_, **__: None)
    monkeypatch.setattr(cli, 'measure_parity', lambda *told: SimpleNamespace(passed=len(told[2])))
    asked = ['build', release, '--precision', 'int8', '--calibrate', two_cameras]
    asked += ['--topic', '/left/image', '--frames', str(tmp_path / 'frames')]
    assert main(asked) == 2 and not calibrated
    (tmp_path / 'frames').mkdir()
    assert main(asked) == 2 and not calibrated
    assert 'holds no picture' in capsys.readouterr().err
    picture = encode_png(synthetic_frames((64, 96), 1)[0]).tobytes()
    (tmp_path / 'frames' / '1.png').write_bytes(picture)
    assert main(asked) == 0 and len(calibrated) == 1


def test_engines_are_compared_and_calibrated_on_frames_as_bright_as_the_network_sees_them(
    tmp_path, metric_release, monkeypatch
) -> None:
    path, frames = tmp_path / 'day.safetensors', tmp_path / 'dusk'
    write_release(path, replace(metric_release, brightness=0.4))
    frames.mkdir()
    dark = synthetic_frames(metric_release.input_size, 1)[0] // 3
    (frames / '1.png').write_bytes(encode_png(dark).tobytes())
    seen = []
    monkeypatch.setattr(cli, 'calibrate', lambda release, shape, frames, *how: seen.append(frames))
    agrees = SimpleNamespace(passed=True)
    monkeypatch.setattr(cli, '_checked', lambda w, r, frames: seen.append(frames) or agrees)
    words = ['build', str(path), '--engine', 'onnxruntime', '--precision', 'int8']
    assert main([*words, '--calibrate', str(frames), '--cache', str(tmp_path)]) == 0
    for each in seen:
        np.testing.assert_array_equal(each[0], brightened(dark, 0.4))
    assert len(seen) == 2


def test_the_shipped_release_is_called_demo_here_too(release, monkeypatch, capsys) -> None:
    monkeypatch.setattr('sds_perception.release.DEMO', Path(release))
    assert main(['check', 'demo', '--engine', 'torch']) == 0
    assert 'agrees' in capsys.readouterr().out
