"""What the package says about itself: dependencies, entry points, files it installs."""

from __future__ import annotations

import importlib
import re
import runpy
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ElementTree.parse(ROOT / 'package.xml').getroot()
SCRIPTS = sorted(each.name for each in metadata.distribution('sds_perception').entry_points)


def pinned(name: str) -> dict[str, str]:
    """Name (lower case, no extras) to version constraint of a requirements file."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    matches = [
        re.match(r'([\w.-]+)(?:\[[\w,]+\])?(.*)', each) for each in lines if each[:1] != '#'
    ]
    return {each[1].lower(): each[2] for each in matches if each}


def setup_arguments(monkeypatch: pytest.MonkeyPatch) -> dict:
    """What setup.py hands to setuptools."""
    seen: dict = {}
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr('setuptools.setup', lambda **arguments: seen.update(arguments))
    runpy.run_path(str(ROOT / 'setup.py'), run_name='__main__')
    return seen


def test_a_vehicle_installs_nothing_that_only_training_needs():
    offline = set(pinned('training'))
    assert {'lightning-fabric', 'jsonargparse', 'tensorboard'} <= offline
    assert not offline & set(pinned('vehicle'))
    assert not {'torch', 'torchvision'} & set(pinned('vehicle'))  # it may bring its own


@pytest.mark.parametrize('name', ['vehicle', 'ros', 'torch', 'training', 'test'])
def test_requirements_are_pinned(name):
    unpinned = [each for each, version in pinned(name).items() if not re.match('[=<~]', version)]
    assert not unpinned


def test_package_xml_is_format_3_and_builds_as_ament_python():
    assert PACKAGE.get('format') == '3'
    assert PACKAGE.findtext('name') == 'sds_perception'
    assert PACKAGE.findtext('license') == 'Apache-2.0'
    assert PACKAGE.findtext('export/build_type') == 'ament_python'


def declared(kind: str) -> set[str]:
    """The ROS packages in package.xml under `kind`; rosdep keys of other things have a hyphen."""
    return {each.text for each in PACKAGE.findall(kind) if '-' not in each.text}


def ros_imports(*patterns: str) -> set[str]:
    """The ROS packages that files import anywhere, lazily and as an `importorskip` too."""
    statement = re.compile(
        r"(?:^\s*(?:from|import) |importorskip\(')(rclpy|launch|launch_ros|cv_bridge"
        r'|ament_index_python|sensor_msgs_py|\w+_(?:msgs|srvs|interfaces))\b',
        re.MULTILINE,
    )
    files = (path for pattern in patterns for path in ROOT.glob(pattern))
    return {name for path in files for name in statement.findall(path.read_text())}


def test_package_xml_declares_the_ros_packages_that_are_imported_and_no_others():
    vehicle = ros_imports('sds_perception/ros/**/*.py', 'launch/*.py')
    assert {'rclpy', 'cv_bridge', 'vision_msgs', 'launch_ros'} <= vehicle
    assert declared('exec_depend') == vehicle
    assert declared('test_depend') == ros_imports('test/ros/*.py') - vehicle


def test_the_wheels_of_ros_are_of_packages_that_are_imported():
    wheels = {name.removeprefix('ros-').replace('-', '_') for name in pinned('ros')}
    assert wheels <= ros_imports('sds_perception/ros/**/*.py')


def test_package_xml_names_the_python_libraries_by_rosdep_key():
    keys = {each.text for each in PACKAGE.findall('exec_depend')}
    assert {'python3-numpy', 'python3-opencv', 'python3-yaml'} <= keys


def test_package_xml_and_setup_agree(monkeypatch):
    arguments = setup_arguments(monkeypatch)
    assert arguments['name'] == PACKAGE.findtext('name')
    assert arguments['version'] == PACKAGE.findtext('version')
    assert arguments['license'] == PACKAGE.findtext('license')


def test_setup_offers_the_extras_people_ask_for(monkeypatch):
    extras = setup_arguments(monkeypatch)['extras_require']
    assert set(extras) == {'onnx', 'openvino', 'mnn', 'offline', 'ros', 'training', 'test'}
    assert all(extras.values())


def test_setup_installs_resource_launch_files_and_parameters(monkeypatch):
    installed = {file for _, files in setup_arguments(monkeypatch)['data_files'] for file in files}
    assert {'package.xml', 'resource/sds_perception', 'launch/perception.launch.py'} <= installed
    assert {'config/vehicle/perception.yaml', 'config/vehicle/fastdds.xml'} <= installed
    assert all((ROOT / file).is_file() for file in installed)


@pytest.mark.parametrize('name', sorted(SCRIPTS))
def test_every_command_leads_to_a_function(name):
    (script,) = metadata.distribution('sds_perception').entry_points.select(name=name)
    command = script.load()
    assert command.name == name
    if command.module.startswith('sds_perception.ros'):
        pytest.importorskip('rclpy')
    assert callable(importlib.import_module(command.module).main)


def test_the_installed_commands_are_those_of_setup(monkeypatch):
    scripts = setup_arguments(monkeypatch)['entry_points']['console_scripts']
    assert sorted(each.split(' = ')[0] for each in scripts) == SCRIPTS


def test_the_licence_is_there_in_full():
    text = (ROOT / 'LICENSE').read_text()
    assert 'Apache License' in text
    assert 'Version 2.0, January 2004' in text
    assert 'END OF TERMS AND CONDITIONS' in text
