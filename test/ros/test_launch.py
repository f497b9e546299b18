from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from drives import write_drive
from launch_files import FILES, ROOT, launched_with, loaded, needs_launch, source, written


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
    from sds_perception.ros.shipped import PROFILE_VARIABLES

    text = source('perception')
    for variable in PROFILE_VARIABLES:
        assert f"'{variable}'" in text


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
def test_a_dds_profile_that_is_given_wins_and_else_the_node_looks_for_one():
    from sds_perception.ros.shipped import PROFILE_VARIABLES

    environment = loaded('perception').environment
    assert environment(launched_with()) == {}
    given = environment(launched_with(dds_profile='mine.xml'))
    assert {given[name] for name in PROFILE_VARIABLES} == {'mine.xml'}


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
        file = written(tmp_path, yaml.safe_dump(parameters))
        context = launched_with(params_file=file, namespace='a' if outer else '/robot/a')
        context.launch_configurations.update({'ros_namespace': outer} if outer else {})
        assert loaded('perception').cameras(context) == (['front'] if ours else [])


@needs_launch
@pytest.mark.parametrize('value', ['front', '3', '[front, 2]', ''])
def test_cameras_that_are_no_list_of_names_are_refused_in_a_sentence(tmp_path, value):
    file = written(tmp_path, f'/**: {{ros__parameters: {{cameras: {value}}}}}')
    with pytest.raises(RuntimeError, match=r'cameras is .* in .*params.yaml, wanted a list such'):
        loaded('perception').cameras(launched_with(params_file=file))


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


def _given(**arguments: str) -> list[dict[str, object]]:
    """The parameters that the launch file adds to the parameter file."""
    return loaded('perception').overrides(launched_with(**arguments))


def _remapped(names: list[str], **arguments: str) -> list[tuple[str, str]]:
    return loaded('perception').remappings(launched_with(**arguments), names)


def _share() -> str | None:
    from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

    try:
        return get_package_share_directory('sds_perception')
    except (OSError, PackageNotFoundError):
        return None


def _bag(folder: Path) -> Path:
    pictures = (np.full((48, 64, 3), 40 * number, np.uint8) for number in range(6))
    return write_drive(folder / 'bag', pictures, rate_hz=2.0)
