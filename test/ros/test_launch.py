from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
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
        assert f"'{variable}': " in text
    assert f"KEPT = '{MALLOC_KEEP_BYTES}'" in text


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
    assert _given(release='', device='') == {}
    assert _given(release='/r.safetensors', device='') == {'release': '/r.safetensors'}


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


def _given(**arguments: str) -> dict[str, str]:
    """The parameters that the launch file adds to the parameter file."""
    from launch import LaunchContext

    context = LaunchContext()
    context.launch_configurations.update({'engine': '', 'precision': '', **arguments})
    return loaded('perception').overrides(context)


def _share() -> str | None:
    from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

    try:
        return get_package_share_directory('sds_perception')
    except (OSError, PackageNotFoundError):
        return None


def _bag(folder: Path) -> Path:
    pictures = (np.full((48, 64, 3), 40 * number, np.uint8) for number in range(6))
    return write_drive(folder / 'bag', pictures, rate_hz=2.0)
