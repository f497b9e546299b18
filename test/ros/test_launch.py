from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from drives import write_drive

ROOT = Path(__file__).parents[2]
FILES = ('perception', 'replay')
INSTALLED = importlib.util.find_spec('launch_ros') is not None
needs_launch = pytest.mark.skipif(
    not INSTALLED, reason='launch_ros comes with a ROS installation and is not on PyPI'
)


def source(name: str) -> str:
    return (ROOT / 'launch' / f'{name}.launch.py').read_text()


def loaded(name: str):
    path = ROOT / 'launch' / f'{name}.launch.py'
    spec = importlib.util.spec_from_file_location(f'{name}_launch', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize('name', FILES)
def test_a_launch_file_starts_only_commands_that_are_installed(name):
    setup = (ROOT / 'setup.py').read_text()
    for executable in re.findall(r"executable='(\w+)'", source(name)):
        assert f"'{executable} = " in setup


@pytest.mark.parametrize('name', FILES)
def test_a_launch_file_is_valid_and_offers_what_launch_looks_for(name):
    names = {n.name for n in ast.parse(source(name)).body if isinstance(n, ast.FunctionDef)}
    assert 'generate_launch_description' in names


def test_the_environment_of_the_node_is_complete():
    from sds_perception.ros.shipped import MALLOC_KEEP_BYTES, MALLOC_VARIABLES, PROFILE_VARIABLES

    text = source('perception')
    for variable in (*PROFILE_VARIABLES, *MALLOC_VARIABLES):
        assert f"'{variable}'" in text
    assert f"KEPT = '{MALLOC_KEEP_BYTES}'" in text


def test_a_node_is_started_anew_only_when_dds_has_forgotten_the_one_that_died():
    from sds_perception.ros.trial.vehicle_process import _FORGOTTEN_S

    assert f'FORGOTTEN_S = {_FORGOTTEN_S}' in source('perception')


@needs_launch
@pytest.mark.parametrize('name', FILES)
def test_every_argument_is_described(name):
    declared = loaded(name).generate_launch_description().get_launch_arguments()
    assert declared
    for argument in declared:
        assert len(argument.description) > 10, argument.name


@needs_launch
def test_what_an_operator_changes_can_be_given():
    description = loaded('perception').generate_launch_description()
    assert {argument.name for argument in description.get_launch_arguments()} == {
        'image_topic',
        'camera_info_topic',
        'remap',
        'image_transport',
        'camera_height_m',
        'respawn',
        'release',
        'device',
        'engine',
        'precision',
        'params_file',
        'namespace',
        'autostart',
        'use_sim_time',
        'log_level',
        'dds_profile',
    }


@needs_launch
def test_only_arguments_that_are_given_hide_the_parameter_file():
    assert _given(release='', device='') == []
    assert _given(release='/r.safetensors', device='') == [{'release': '/r.safetensors'}]
    (given,) = _given(use_sim_time='false', camera_height_m='1.5', image_transport='compressed')
    assert set(given) == {'use_sim_time', 'camera_height_m', 'image_transport'}


@needs_launch
def test_one_camera_is_heard_where_it_is_told_and_else_at_the_root():
    assert _remapped([]) == [('image', '/image'), ('camera_info', '/camera_info')]
    told = _remapped([], camera_info_topic='/calibration')
    assert told == [('image', '/image'), ('camera_info', '/calibration')]


@needs_launch
@pytest.mark.parametrize(
    ('image', 'beside'),
    [('/front/image_raw', '/front/camera_info'), ('/image', '/camera_info'),
     ('front/image_raw', 'front/camera_info'), ('image', 'camera_info')],
)  # fmt: skip
def test_camera_info_is_heard_beside_the_pictures_unless_it_is_elsewhere(image, beside):
    assert _remapped([], image_topic=image) == [('image', image), ('camera_info', beside)]


@needs_launch
@pytest.mark.parametrize('bag', ['/d/drive', '/d/drive/'])
def test_the_results_of_a_replay_lie_beside_the_bag_and_never_in_it(bag):
    assert loaded('replay').output(_context(bag=bag, output='')) == '/d/drive_perceived'
    assert loaded('replay').output(_context(bag=bag, output='/r')) == '/r'


TWO = ['front', 'rear']


@needs_launch
def test_each_of_several_cameras_can_be_heard_on_its_real_topics():
    rules = 'front/image:=/cam0/image_raw rear/image:=/cam1/image_raw'
    assert _remapped(TWO, remap=rules) == [
        ('front/image', '/cam0/image_raw'),
        ('rear/image', '/cam1/image_raw'),
    ]


@needs_launch
@pytest.mark.parametrize(
    ('given', 'sentence'),
    [
        ({'image_topic': '/a'}, "named in the parameter file: give remap:='front/image:=/a'"),
        ({'camera_info_topic': '/a'}, 'camera_info_topic is for one camera, and front, rear are'),
        ({'remap': 'front/image=/a'}, "apart by spaces, not 'front/image=/a'"),
    ],
)
def test_topics_that_no_camera_would_be_heard_on_are_refused(given, sentence):
    with pytest.raises(RuntimeError, match=sentence):
        _remapped(TWO, **given)


@needs_launch
def test_what_an_operator_set_for_glibc_stays(monkeypatch):
    from sds_perception.ros.shipped import MALLOC_KEEP_BYTES, MALLOC_VARIABLES

    monkeypatch.setenv(MALLOC_VARIABLES[0], '1000')
    monkeypatch.delenv(MALLOC_VARIABLES[1], raising=False)
    environment = loaded('perception').environment(_context())
    assert environment == {MALLOC_VARIABLES[1]: MALLOC_KEEP_BYTES}


@needs_launch
def test_a_dds_profile_that_is_given_wins_and_else_the_node_looks_for_one(monkeypatch):
    from sds_perception.ros.shipped import MALLOC_VARIABLES, PROFILE_VARIABLES

    for name in MALLOC_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    environment = loaded('perception').environment
    assert set(environment(_context())) == set(MALLOC_VARIABLES)
    given = environment(_context(dds_profile='mine.xml'))
    assert {given[name] for name in PROFILE_VARIABLES} == {'mine.xml'}


@needs_launch
@pytest.mark.parametrize(
    ('text', 'named'),
    [
        ('/**: {ros__parameters: {cameras: [front, rear]}}', ['front', 'rear']),
        ('sds_perception: {ros__parameters: {cameras: [front]}}', ['front']),
        ('/*: {ros__parameters: {cameras: [front]}}', ['front']),
        ('/recorder: {ros__parameters: {cameras: 3}}', []),
        ('/**: {ros__parameters: {other: {cameras: 3}}}', []),
        ("/**: {ros__parameters: {cameras: ['']}}", []),
        ('/**: {ros__parameters: {device: cpu}}', []),
        ('', []),
    ],
)
def test_a_replay_awaits_and_records_the_cameras_of_the_parameter_file(tmp_path, text, named):
    file = _written(tmp_path, text)
    context = _context(params_file=file, bag='drive', output='')
    names, *_ = loaded('perception').perception(context)
    names.execute(context)
    assert loaded('perception').cameras(context) == named
    record, play = loaded('replay').player_and_recorder(context)
    for each in (f'{name}/labels' for name in named or ['sds_perception']):
        assert each in _told(record) and each in _told(play)


@needs_launch
@pytest.mark.parametrize('outer', [None, 'robot', '/robot'])
@pytest.mark.parametrize(
    ('key', 'ours'),
    [('/robot/a/sds_perception', True), ('/**', True), ('/**/sds_perception', True),
     ('/robot/*/sds_perception', True), ('robot/**', True), ('/a/sds_perception', False),
     ('/robot/b/sds_perception', False), ('/*', False), ('/robot/a/sds_perceptions', False)],
)  # fmt: skip
def test_cameras_are_those_of_the_names_ros_matches_with_the_node(tmp_path, key, ours, outer):
    nested = below = {'ros__parameters': {'cameras': ['front']}}
    for part in reversed(key.strip('/').split('/')):
        nested = {part: nested}
    for parameters in ({key: below}, nested):
        file = _written(tmp_path, yaml.safe_dump(parameters))
        context = _context(params_file=file, namespace='a' if outer else '/robot/a')
        context.launch_configurations.update({'ros_namespace': outer} if outer else {})
        assert loaded('perception').cameras(context) == (['front'] if ours else [])


@needs_launch
@pytest.mark.parametrize('value', ['front', '3', '[front, 2]', ''])
def test_cameras_that_are_no_list_of_names_are_refused_in_a_sentence(tmp_path, value):
    file = _written(tmp_path, f'/**: {{ros__parameters: {{cameras: {value}}}}}')
    with pytest.raises(RuntimeError, match=r'cameras is .* in .*params.yaml, wanted a list such'):
        loaded('perception').cameras(_context(params_file=file))


@needs_launch
def test_a_replay_leaves_out_what_a_node_recorded_before(tmp_path):
    context = _context(sds_perception_cameras='', bag='drive', output='')
    _, play = loaded('replay').player_and_recorder(context)
    assert '--except sds_perception /diagnostics --await' in _told(play)


@needs_launch
def test_a_replay_fails_and_says_so_where_the_node_refuses_to_configure():
    from launch.actions import RegisterEventHandler
    from launch_ros.event_handlers import OnStateTransition

    from launch import LaunchContext

    entities = loaded('replay').generate_launch_description().entities
    handlers = [e.event_handler for e in entities if isinstance(e, RegisterEventHandler)]
    (refused,) = [each for each in handlers if isinstance(each, OnStateTransition)]
    (refusal,) = refused.entities
    with pytest.raises(RuntimeError, match='could not be configured'):
        refusal.execute(LaunchContext())


@needs_launch
@pytest.mark.parametrize(('code', 'result'), [(0, 0), (3, 1)])
def test_a_replay_ends_as_the_first_of_its_processes_to_end(code, result):
    from launch.actions import ExecuteProcess, RegisterEventHandler
    from launch.event_handlers import OnProcessExit

    from launch import LaunchDescription, LaunchService

    commands = (f'import sys; sys.exit({code})', 'import time; time.sleep(60)')
    processes = [ExecuteProcess(cmd=[sys.executable, '-c', each]) for each in commands]
    end_all = RegisterEventHandler(OnProcessExit(on_exit=loaded('replay')._end_all))
    service = LaunchService()
    service.include_launch_description(LaunchDescription([end_all, *processes]))
    began = time.monotonic()
    assert service.run() == result
    assert time.monotonic() - began < 30


@needs_launch
@pytest.mark.skipif(shutil.which('ros2') is None, reason='the ros2 command is not installed')
def test_ros2_launch_brings_the_node_to_active_and_ends_it(tmp_path, tiny_release):
    """The real thing: needs ros2launch and this package built and sourced."""
    if _share() is None:
        pytest.skip('sds_perception is not built and sourced here')
    command = ['ros2', 'launch', 'sds_perception', 'replay.launch.py', f'bag:={_bag(tmp_path)}']
    command += [f'release:={tiny_release}', 'device:=cpu', 'image_topic:=/drive/image']
    command += ['camera_info_topic:=/drive/camera_info', f'output:={tmp_path / "result"}']
    environment = {**os.environ, 'ROS_LOG_DIR': str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'record: /sds_perception/labels: 6 messages' in done.stdout
    assert 'process has died' not in done.stdout + done.stderr


def _performed(substitutions) -> str:
    from launch.utilities import perform_substitutions

    from launch import LaunchContext

    return perform_substitutions(LaunchContext(), substitutions)


def _told(node) -> str:
    """The command of a node as far as the launch file says it itself."""
    words = [part for word in node.cmd for part in word]
    return ' '.join(each.text for each in words if hasattr(each, 'text'))


def _given(**arguments: str) -> list[dict[str, object]]:
    """The parameters that the launch file adds to the parameter file."""
    return loaded('perception').overrides(_context(**arguments))


def _remapped(names: list[str], **arguments: str) -> list[tuple[str, str]]:
    return loaded('perception').remappings(_context(**arguments), names)


def _context(**arguments: str):
    """As `ros2 launch perception.launch.py` would have it with these arguments."""
    from launch import LaunchContext

    context = LaunchContext()
    for each in loaded('perception').arguments():
        if each.name != 'params_file':  # found where installed
            context.launch_configurations[each.name] = _performed(each.default_value)
    context.launch_configurations.update(arguments)
    return context


def _written(folder: Path, text: str) -> str:
    (folder / 'params.yaml').write_text(text)
    return str(folder / 'params.yaml')


def _share() -> str | None:
    from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

    try:
        return get_package_share_directory('sds_perception')
    except (OSError, PackageNotFoundError):
        return None


def _bag(folder: Path) -> Path:
    pictures = (np.full((48, 64, 3), 40 * number, np.uint8) for number in range(6))
    return write_drive(folder / 'bag', pictures, rate_hz=2.0)
