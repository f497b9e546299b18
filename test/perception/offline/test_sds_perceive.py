"""The tool as people call it: what it writes and what it says."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from rosbags.interfaces import QosDurability
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore
from ruamel.yaml import YAML

from sds_perception.camera import Camera
from sds_perception.labels import NAMES
from sds_perception.network import NETWORKS
from sds_perception.offline.bag_source import stamp_of
from sds_perception.offline.bag_writer import write_bag
from sds_perception.offline.cli import main, parser
from sds_perception.offline.make_bag import main as make_bag
from sds_perception.offline.sinks import FileSink
from sds_perception.release import untrained_release, write_release
from sds_perception.scene import Scene

TINY = ['--untrained', 'tiny', '--input-size', '64x32', '--device', 'cpu']


def messages(bag: Path) -> list[tuple[str, int, object]]:
    """Topic, bag time and decoded message of everything in a bag."""
    types = get_typestore(Stores.LATEST)
    with Reader(bag) as reader:
        return [
            (each.topic, logged_ns, types.deserialize_cdr(data, each.msgtype))
            for each, logged_ns, data in reader.messages()
        ]


def contents(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob('*') if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def read(product: Path) -> np.ndarray:
    first = str(min(product.iterdir()))
    return np.load(first) if first.endswith('npy') else cv2.imread(first, cv2.IMREAD_UNCHANGED)


def lines(folder: Path) -> list[dict]:
    """Of the list of frames, as far as it goes."""
    file = folder / 'frames.jsonl'
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def digest_in(said: str) -> str:
    return said.rsplit('digest ', 1)[1].strip()


def test_a_bag_becomes_a_bag_with_every_frame_once_under_its_own_header(
    bag, frames, tmp_path, capsys
) -> None:
    assert main([str(bag), '--output', str(tmp_path / 'seen'), *TINY, '--scale', 'fixed:2']) == 0
    found = messages(tmp_path / 'seen')
    for name, encoding in (('labels', 'mono8'), ('depth', '32FC1'), ('confidence', 'mono8')):
        mine = [each for each in found if each[0] == f'/sds_perception/{name}']
        assert [logged for _, logged, _ in mine] == [f.logged_ns for f in frames]
        assert [stamp_of(m.header) for *_, m in mine] == [f.stamp_ns for f in frames]
        assert {m.header.frame_id for *_, m in mine} == {'front_optical'}
        assert {(m.height, m.width, m.encoding) for *_, m in mine} == {(48, 80, encoding)}
    infos = [m for topic, _, m in found if topic.endswith('camera_info')]
    assert len(infos) == len(frames)
    assert infos[0].k[0] == frames[0].calibration.camera.fx
    assert 'UNTRAINED' in capsys.readouterr().out


def test_the_result_has_the_storage_of_its_input(bag, tmp_path) -> None:
    main([str(bag), '--output', str(tmp_path / 'seen'), *TINY])
    suffixes = {path.suffix for path in bag.iterdir()}
    assert {path.suffix for path in (tmp_path / 'seen').iterdir()} == suffixes


def test_two_runs_over_a_bag_give_the_same_bytes_and_say_so(bag, tmp_path, capsys) -> None:
    said = []
    for run in ('one', 'two'):
        assert main([str(bag), '--output', str(tmp_path / run / 'seen'), *TINY]) == 0
        said.append(digest_in(capsys.readouterr().out))
    assert said[0] == said[1]
    assert contents(tmp_path / 'one') == contents(tmp_path / 'two')


def test_two_runs_over_a_folder_give_the_same_bytes(folder, tmp_path, capsys) -> None:
    said = []
    for run in ('one', 'two'):
        assert main([str(folder), '--output', str(tmp_path / run), *TINY]) == 0
        said.append(digest_in(capsys.readouterr().out))
    assert said[0] == said[1]
    assert contents(tmp_path / 'one') == contents(tmp_path / 'two')


def test_a_folder_gives_a_file_per_frame_and_product(folder, frames, tmp_path) -> None:
    out = tmp_path / 'seen'
    assert main([str(folder), '--output', str(out), *TINY]) == 0
    names = sorted(f.name for f in frames)
    for product in ('labels', 'confidence', 'depth_relative', 'overlay', 'side_by_side'):
        assert sorted(path.stem for path in (out / product).iterdir()) == names
    labels = cv2.imread(str(out / 'labels' / f'{names[0]}.png'), cv2.IMREAD_UNCHANGED)
    assert labels.shape == (48, 80)
    assert (labels < len(NAMES)).all()
    depth = np.load(out / 'depth_relative' / f'{names[0]}.npy')
    assert depth.dtype == np.float32


def test_relative_depth_is_never_filed_as_metres(folder, tmp_path) -> None:
    main([str(folder), '--output', str(tmp_path / 'seen'), *TINY])
    assert not (tmp_path / 'seen' / 'depth_m').exists()
    lines = (tmp_path / 'seen' / 'frames.jsonl').read_text().splitlines()
    assert {json.loads(line)['depth_kind'] for line in lines} == {'relative'}


def test_a_scale_makes_metres_and_the_list_says_where_from(folder, tmp_path) -> None:
    plain, scaled = tmp_path / 'plain', tmp_path / 'scaled'
    main([str(folder), '--output', str(plain), *TINY, '--no-pictures'])
    arguments = ['--scale', 'release,fixed:3.5', '--no-pictures', '--max-depth', '0']
    main([str(folder), '--output', str(scaled), *TINY, *arguments])
    for name in ('000000', '000004'):
        relative = np.load(plain / 'depth_relative' / f'{name}.npy')
        metric = np.load(scaled / 'depth_m' / f'{name}.npy')
        np.testing.assert_allclose(metric, 3.5 * relative, rtol=1e-6)
    line = json.loads((scaled / 'frames.jsonl').read_text().splitlines()[0])
    assert line['scale'] == {
        'factor': 3.5, 'quality': 1.0, 'source': 'fixed', 'status': 'measured'
    }  # fmt: skip
    assert not (scaled / 'overlay').exists()


def test_depth_beyond_the_range_is_left_out(folder, tmp_path) -> None:
    def seen(limit_m: float) -> np.ndarray:
        arguments = ['--scale', 'fixed:3.5', '--no-pictures', '--max-depth', str(limit_m)]
        main([str(folder), '--output', str(tmp_path / str(limit_m)), *TINY, *arguments])
        return read(tmp_path / str(limit_m) / 'depth_m')

    whole = seen(0)
    limit_m = float(np.median(whole))
    np.testing.assert_array_equal(seen(limit_m), np.where(whole <= limit_m, whole, np.nan))


def test_millimetres_are_metres_rounded_and_zero_where_unknown(folder, tmp_path) -> None:
    arguments = ['--scale', 'fixed:40', '--no-pictures']
    main([str(folder), '--output', str(tmp_path / 'm'), *TINY, *arguments])
    main([str(folder), '--output', str(tmp_path / 'mm'), *TINY, *arguments, '--depth-png'])
    metres = np.load(tmp_path / 'm' / 'depth_m' / '000000.npy')
    stored = cv2.imread(str(tmp_path / 'mm' / 'depth_mm' / '000000.png'), cv2.IMREAD_UNCHANGED)
    assert stored.dtype == np.uint16
    shown = np.isfinite(metres) & (metres < 65.5)
    np.testing.assert_allclose(stored[shown] / 1000.0, metres[shown], atol=0.00051)
    assert not stored[~shown].any()


def test_what_millimetres_cannot_hold_is_zero_and_never_wraps_around(frames, tmp_path) -> None:
    depth_m = np.array([[1.0004, 65.5, 65.6, 131.1, np.inf, np.nan]], np.float32)
    nothing = np.zeros(depth_m.shape, np.uint8)
    with FileSink(tmp_path / 'mm', pictures=False, depth_png=True) as sink:
        sink.write(frames[0], Scene(nothing, depth_m, nothing, 'metric'), None)
    assert read(tmp_path / 'mm' / 'depth_mm').tolist() == [[1000, 65500, 0, 0, 0, 0]]


def test_frames_without_metres_for_the_millimetres_are_told(folder, tmp_path, capsys) -> None:
    main([str(folder), '--output', str(tmp_path / 'seen'), *TINY, '--depth-png'])
    assert '5 frames have no metres for --depth-png' in capsys.readouterr().out


def test_a_picture_and_a_video_are_inputs_too(folder, frames, tmp_path) -> None:
    one = sorted(folder.iterdir())[0]
    assert main([str(one), '--output', str(tmp_path / 'one'), *TINY]) == 0
    assert len(list((tmp_path / 'one' / 'labels').iterdir())) == 1
    video = tmp_path / 'drive.avi'
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*'MJPG'), 10, (80, 48))
    for frame in frames:
        writer.write(frame.rgb)
    writer.release()
    assert main([str(video), '--output', str(tmp_path / 'video'), *TINY]) == 0
    lines = (tmp_path / 'video' / 'frames.jsonl').read_text().splitlines()
    stamps = [json.loads(line)['stamp_ns'] for line in lines]
    assert stamps == [100_000_000 * number for number in range(len(frames))]


def test_an_output_says_what_made_it_and_through_which_camera(folder, bag, tmp_path) -> None:
    arguments = [
        *TINY,
        '--camera',
        '60',
        '--scale',
        'fixed:2',
        '--no-pictures',
        '--write',
        'files',
    ]
    assert main([str(folder), '--output', str(tmp_path / 'files'), *arguments]) == 0
    origin = json.loads((tmp_path / 'files' / 'run.json').read_text())
    wanted = {'input': 'pictures', 'release': None, 'trained': False, 'input_size': '64x32'}
    assert wanted.items() <= origin.items()
    assert (origin['engine'], origin['precision']) == ('torch cpu float32', 'fp32')
    assert {'camera': '60', 'scale': 'fixed:2', 'lens': 'raw'}.items() <= origin['options'].items()
    assert Camera(**lines(tmp_path / 'files')[0]['camera']) == Camera.guess(80, 48, 60.0)
    assert main([str(bag), '--output', str(tmp_path / 'bag'), *TINY]) == 0
    about = YAML(typ='safe').load(tmp_path / 'bag' / 'metadata.yaml')
    said = about['rosbag2_bagfile_information']['custom_data']['sds_perception']
    assert json.loads(said)['engine'] == origin['engine']


def test_the_ego_hood_is_unlabelled_and_has_no_depth(folder, tmp_path) -> None:
    mask = np.zeros((24, 40), np.uint8)  # of half the pictures' size
    mask[18:] = 1
    cv2.imwrite(str(tmp_path / 'hood.png'), mask)
    arguments = ['--scale', 'fixed:2', '--no-pictures', '--output']
    main([str(folder), *TINY, *arguments, str(tmp_path / 'free')])
    hood = ['--hood-mask', str(tmp_path / 'hood.png')]
    main([str(folder), *TINY, *hood, *arguments, str(tmp_path / 'seen')])
    for product, nothing in (('labels', 255), ('confidence', 0), ('depth_m', np.nan)):
        with_hood, without = (read(tmp_path / run / product) for run in ('seen', 'free'))
        np.testing.assert_array_equal(with_hood[36:], np.full_like(with_hood[36:], nothing))
        np.testing.assert_array_equal(with_hood[:36], without[:36])


def test_an_engine_is_built_into_the_cache_that_is_named(folder, tmp_path) -> None:
    engine = ['--engine', 'onnxruntime', '--provider', 'cpu', '--threads', '1']
    place = ['--cache', str(tmp_path / 'cache'), '--output', str(tmp_path / 'seen')]
    assert main([str(folder), *TINY, *engine, *place]) == 0
    assert list((tmp_path / 'cache').glob('*.onnx'))
    origin = json.loads((tmp_path / 'seen' / 'run.json').read_text())
    assert origin['engine'] == 'onnxruntime cpu fp32'
    assert 'cache' not in origin['options']


def test_a_release_file_is_used_and_named_by_its_digest(folder, tmp_path, capsys) -> None:
    release = replace(untrained_release(NETWORKS['tiny'], (32, 64)), provenance={'trained': True})
    digest = write_release(tmp_path / 'r.safetensors', release)
    arguments = ['--release', str(tmp_path / 'r.safetensors'), '--device', 'cpu']
    assert main([str(folder), '--output', str(tmp_path / 'seen'), *arguments]) == 0
    said = capsys.readouterr().out
    assert digest[:12] in said
    assert 'UNTRAINED' not in said


def test_the_shipped_release_is_called_demo_here_too(
    folder, tmp_path, capsys, monkeypatch
) -> None:
    shipped = tmp_path / 'r.safetensors'
    digest = write_release(shipped, untrained_release(NETWORKS['tiny'], (32, 64)))
    monkeypatch.setattr('sds_perception.release.DEMO', shipped)
    arguments = ['--release', 'demo', '--device', 'cpu', '--no-pictures']
    assert main([str(folder), '--output', str(tmp_path / 'seen'), *arguments]) == 0
    assert json.loads((tmp_path / 'seen' / 'run.json').read_text())['release'] == digest


def test_the_help_names_every_topic_that_a_bag_gets(bag, tmp_path) -> None:
    main([str(bag), '--output', str(tmp_path / 'seen'), *TINY])
    written = {topic.rsplit('/', 1)[1] for topic, _, _ in messages(tmp_path / 'seen')}
    told = re.findall(r'\w+', parser().format_help())
    assert len(written) == 5 and 'five' in told and written <= set(told)


def test_make_bag_writes_the_folder_as_a_drive_the_tool_can_read(
    folder, frames, tmp_path, capsys
) -> None:
    camera = {'intrinsic': {'fx': 70.0, 'fy': 71.0, 'u0': 40.0, 'v0': 24.0}}
    (tmp_path / 'camera.json').write_text(json.dumps(camera))
    arguments = ['--camera', str(tmp_path / 'camera.json'), '--rate', '5', '--output']
    assert make_bag([str(folder), *arguments, str(tmp_path / 'bag')]) == 0
    found = messages(tmp_path / 'bag')
    stamps = [stamp_of(m.header) for topic, _, m in found if topic == '/camera/image_raw']
    assert stamps == [200_000_000 * number for number in range(len(frames))]
    assert [m.k[4] for topic, _, m in found if topic == '/camera/camera_info'] == [71.0] * 5
    assert main([str(tmp_path / 'bag'), '--output', str(tmp_path / 'seen'), *TINY]) == 0


def test_one_input_as_bag_and_as_files_gives_the_same_labels(frames, folder, tmp_path) -> None:
    write_bag(tmp_path / 'bag', frames)
    main([str(tmp_path / 'bag'), '--output', str(tmp_path / 'a'), '--write', 'files', *TINY])
    main([str(folder), '--output', str(tmp_path / 'b'), *TINY])
    assert contents(tmp_path / 'a' / 'labels') == contents(tmp_path / 'b' / 'labels')


def test_the_names_of_the_labels_lie_beside_them(folder, bag, tmp_path) -> None:
    main([str(folder), '--output', str(tmp_path / 'seen'), *TINY, '--no-pictures'])
    table = json.loads((tmp_path / 'seen' / 'label_info.json').read_text())
    assert [each['name'] for each in table['classes']] == list(NAMES)
    main([str(bag), '--output', str(tmp_path / 'bag'), *TINY])
    topic, _, message = messages(tmp_path / 'bag')[0]
    assert topic == '/sds_perception/label_info_json'
    assert json.loads(message.data) == table
    with Reader(tmp_path / 'bag') as reader:
        latched = next(each for each in reader.connections if each.topic == topic)
    assert latched.ext.offered_qos_profiles[0].durability is QosDurability.TRANSIENT_LOCAL
