"""The launch files as `ros2 launch` reads them, for their tests."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

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


def performed(substitutions) -> str:
    from launch.utilities import perform_substitutions

    from launch import LaunchContext

    return perform_substitutions(LaunchContext(), substitutions)


def launched_with(**arguments: str):
    """As `ros2 launch perception.launch.py` would have it with these arguments."""
    from launch import LaunchContext

    told = LaunchContext()
    for each in loaded('perception').arguments():
        if each.name != 'params_file':  # found where installed
            told.launch_configurations[each.name] = performed(each.default_value)
    told.launch_configurations.update(arguments)
    return told


def written(folder: Path, text: str) -> str:
    (folder / 'params.yaml').write_text(text)
    return str(folder / 'params.yaml')
