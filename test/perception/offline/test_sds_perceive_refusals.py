"""What the tool refuses, and how it says so."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from sds_perception.image_codec import encode_png
from sds_perception.offline.bag_writer import write_bag
from sds_perception.offline.cli import main
from sds_perception.offline.frames import OfflineError
from sds_perception.offline.make_bag import main as make_bag
from sds_perception.offline.perceive import scale_named
from sds_perception.scene import Scene

TINY = ['--untrained', 'tiny', '--input-size', '64x32', '--device', 'cpu']


def test_a_bad_picture_is_named_and_the_others_are_done(folder, tmp_path, capsys) -> None:
    (folder / 'zzz.png').write_bytes(b'no picture')
    assert main([str(folder), '--output', str(tmp_path / 'seen'), *TINY]) == 1
    assert 'skipped zzz.png' in capsys.readouterr().out
    assert len(list((tmp_path / 'seen' / 'labels').iterdir())) == 5
    listed = json.loads((tmp_path / 'seen' / 'skipped.jsonl').read_text())
    assert listed['name'] == 'zzz.png' and listed['reason']


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (['missing'], 'does not exist'),
        (['text.txt'], 'no picture, no bag and no video'),
        (['empty'], 'holds no picture'),
        (['data'], "data is a data folder, whose gtFine holds no camera's pictures; name"),
        (
            ['killed'],
            'killed has killed.mcap and no metadata.yaml: give killed/killed.mcap itself',
        ),
        (['old.bag'], 'old.bag is a ROS 1 bag; `rosbags-convert` makes'),
        (['killed/killed.mcap'], 'nobody closed it, `mcap recover` saves what it holds'),
        (['bad.png'], 'no frame of .* could be used'),
        (['good', '--scale', 'guess'], 'wanted release, height'),
        (['good', '--camera', 'text.txt'], "neither 'intrinsic' nor 'camera_matrix'"),
        (['good', '--topic', '/image'], 'for bags'),
        (['good', '--output', 'good'], 'not an empty folder'),
        (['blind', '--output', 'good'], 'good exists already'),
        (['good', '--output', 'text.txt/seen'], 'seen cannot be made: .*text.txt is no folder'),
        (['good', '--device', 'tpu'], 'device'),
        (['good', '--provider', 'cpu'], '--provider does nothing for engine torch'),
        (['good', '--cache', 'there'], '--cache does nothing for engine torch'),
        (['good', '--hood-mask', 'text.txt'], 'hood mask text.txt is not a picture'),
        (['good', '--hood-mask', 'wide.png'], 'no frame of .* could be used'),
        (['good', '--scale', 'release,height:1.65'], 'good brings none: give it with --camera'),
        (['blind', '--scale', 'height:1.65'], 'blind brings none: give it with --camera'),
        (['blind', '--lens', 'rectify'], 'blind brings none: give it with --camera'),
        (['good', '--lens', 'rectified'], 'good brings none: give it with --camera'),
        (['good', '--lens', 'rectify', '--camera', '60'], '60 has no lens'),
        (['blind', '--depth-png'], 'a bag is written: add --write files'),
        (['good', '--write', 'bag', '--no-pictures'], 'a bag is written: add --write files'),
    ],
)
def test_what_cannot_work_is_refused_in_one_sentence(
    arguments, sentence, frames, folder, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    write_bag(tmp_path / 'blind', [replace(each, calibration=None) for each in frames])
    folder.rename(tmp_path / 'good')
    write_bag(tmp_path / 'killed', frames)
    (tmp_path / 'killed' / 'metadata.yaml').unlink()
    cut = tmp_path / 'killed' / 'killed.mcap'
    cut.write_bytes(cut.read_bytes()[:-100])
    (tmp_path / 'old.bag').write_bytes(b'#ROSBAG V2.0')
    (tmp_path / 'empty').mkdir()
    wide = np.eye(8, 64, dtype=np.uint8)
    (tmp_path / 'data/gtFine/train').mkdir(parents=True)
    (tmp_path / 'data/gtFine/train/x.png').write_bytes(encode_png(wide).tobytes())
    (tmp_path / 'text.txt').write_text('{}')
    (tmp_path / 'bad.png').write_bytes(b'no picture')
    (tmp_path / 'wide.png').write_bytes(encode_png(wide).tobytes())
    assert main(['--output', 'seen', *TINY, *arguments]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith('sds-perceive: ')
    assert re.search(sentence, said)
    assert not (tmp_path / 'seen').exists()


@pytest.mark.parametrize('far', ['-1', 'nan', 'far'])
def test_a_range_limit_that_cannot_be_meant_is_refused(far, capsys) -> None:
    with pytest.raises(SystemExit, match='2'):
        main(['good', '--output', 'seen', '--max-depth', far])
    assert 'is no distance in metres, wanted 0 or more' in capsys.readouterr().err


@pytest.mark.parametrize('rate', ['0', '-5', 'nan', 'inf', 'fast'])
def test_a_rate_at_which_no_picture_can_be_taken_is_refused(rate, capsys) -> None:
    with pytest.raises(SystemExit, match='2'):
        make_bag(['good', '--camera', '60', '--output', 'bag', f'--rate={rate}'])
    assert 'is no rate in Hz, wanted more than 0' in capsys.readouterr().err


@pytest.mark.parametrize('topic', ['bad topic', 'image', '/a//b', '/1st', '/a/', ''])
def test_a_topic_that_no_player_could_publish_is_refused(topic, capsys) -> None:
    with pytest.raises(SystemExit, match='2'):
        make_bag(['good', '--camera', '60', '--output', 'bag', '--topic', topic])
    assert f'{topic!r} is no topic, wanted names of letters' in capsys.readouterr().err


def test_a_picture_that_cannot_be_used_leaves_no_half_of_a_bag(folder, tmp_path, capsys) -> None:
    (folder / 'zzz.png').write_bytes(b'no picture')
    asked = [str(folder), '--camera', '60', '--output', str(tmp_path / 'bag')]
    assert make_bag(asked) == 2
    assert 'zzz.png: ' in capsys.readouterr().err and not (tmp_path / 'bag').exists()
    (folder / 'zzz.png').unlink()
    assert make_bag(asked) == 0
    assert make_bag(asked) == 2 and (tmp_path / 'bag').exists()


def test_without_rosbags_pictures_are_perceived_and_bags_refused(
    folder, frames, tmp_path, monkeypatch, capsys
) -> None:
    write_bag(tmp_path / 'drive', frames)
    for name in [n for n in sys.modules if n.startswith(('sds_perception.offline', 'ruamel'))]:
        monkeypatch.delitem(sys.modules, name)
    for name in ('rosbags', 'ruamel'):
        monkeypatch.setitem(sys.modules, name, None)
    from sds_perception.offline.cli import main as perceive

    assert perceive([str(folder), '--output', str(tmp_path / 'seen'), *TINY]) == 0
    for arguments in ([str(tmp_path / 'drive')], [str(folder), '--write', 'bag']):
        assert perceive([*arguments, '--output', str(tmp_path / 'bag'), *TINY]) == 2
        assert 'the package rosbags is not installed' in capsys.readouterr().err


def test_the_output_is_looked_at_before_the_release(folder, tmp_path, capsys) -> None:
    arguments = ['--output', str(folder), '--release', str(tmp_path / 'none.safetensors')]
    assert main([str(folder), *arguments]) == 2
    assert 'not an empty folder' in capsys.readouterr().err


@pytest.mark.parametrize('write', ['files', 'bag'])
def test_a_run_that_used_no_frame_leaves_nothing_behind(write, tmp_path, capsys) -> None:
    (tmp_path / 'bad.png').write_bytes(b'no picture')
    arguments = ['--output', str(tmp_path / 'seen'), '--write', write, *TINY]
    assert main([str(tmp_path / 'bad.png'), *arguments]) == 2
    assert 'no frame of' in capsys.readouterr().err
    assert not (tmp_path / 'seen').exists()


@pytest.mark.parametrize(
    'problem',
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 7 bytes"),
        RuntimeError('CUDA out of memory. Tried to allocate 2.00 GiB'),
    ],
)
def test_an_input_size_beyond_the_memory_is_refused(
    problem, folder, tmp_path, monkeypatch, capsys
) -> None:
    def full(*_: object) -> None:
        raise problem

    monkeypatch.setattr('sds_perception.perceiver.Perceiver._prepared', full)
    assert main([str(folder), '--output', str(tmp_path / 'seen'), *TINY]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith('sds-perceive: there is not enough memory for the input size, which is')
    assert '64x32' in said and '\n' not in said and not (tmp_path / 'seen').exists()


def test_a_fault_of_our_own_is_not_taken_for_a_lack_of_memory(
    folder, tmp_path, monkeypatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError('shapes do not match')

    monkeypatch.setattr('sds_perception.perceiver.Perceiver._prepared', broken)
    with pytest.raises(RuntimeError, match='shapes'):
        main([str(folder), '--output', str(tmp_path / 'seen'), *TINY])


def test_a_release_that_is_none_is_refused(folder, tmp_path, capsys) -> None:
    (tmp_path / 'foreign').write_bytes(b'x' * 100)
    arguments = ['--output', str(tmp_path / 'seen'), '--release', str(tmp_path / 'foreign')]
    assert main([str(folder), *arguments]) == 2
    assert 'not a safetensors file' in capsys.readouterr().err
    assert not (tmp_path / 'seen').exists()


@pytest.mark.parametrize('text', ['height:0', 'height:', 'fixed:-1', 'release:2', 'none:1', ''])
def test_scales_that_make_no_sense_are_refused(text) -> None:
    with pytest.raises(OfflineError, match='--scale'):
        scale_named(text)


@pytest.mark.parametrize(
    ('text', 'known'), [('fixed:2', True), ('fixed:2,none', True), ('none,fixed:2', False)]
)
def test_none_ends_the_list_of_scales_as_in_the_node(text, known) -> None:
    flat = np.ones((4, 6), np.float32)
    scene = Scene(flat.astype(np.uint8), flat, flat.astype(np.uint8), 'relative')
    assert (scale_named(text).update(scene) is not None) is known


def test_the_command_line_is_read_before_torch_is_imported() -> None:
    """Which takes seconds: a slip of the hand is answered at once."""
    code = "import sys, sds_perception.offline.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0


def test_a_full_disk_is_told_with_the_file_of_which_it_leaves_no_half(
    folder, files_of_at_most, tmp_path, capsys
) -> None:
    out = tmp_path / 'seen'
    with files_of_at_most(6_000):  # labels fit, depth does not
        assert main([str(folder), '--output', str(out), *TINY]) == 2
    said = capsys.readouterr().err
    assert f'{out / "depth_relative"}' in said and 'cannot be written: ' in said
    assert not list((out / 'depth_relative').iterdir())
