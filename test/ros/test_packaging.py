from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

yaml = pytest.importorskip('yaml')

from sds_perception.ros.node_config import NodeConfig  # noqa: E402

ROOT = Path(__file__).parents[2]
COLCON = shutil.which('colcon', path=str(Path(sys.executable).parent)) or shutil.which('colcon')
needs_colcon = pytest.mark.skipif(COLCON is None, reason='colcon is not installed')
VEHICLE = ROOT / 'config' / 'vehicle'


def commands() -> dict[str, str]:
    """Name -> 'module:command' of every command in setup.py."""
    for node in ast.walk(ast.parse((ROOT / 'setup.py').read_text())):
        if isinstance(node, ast.List):
            texts = [e.value for e in node.elts if isinstance(e, ast.Constant)]
            if any('.commands:' in str(text) for text in texts):
                return dict(text.replace(' ', '').split('=') for text in texts)
    raise AssertionError('setup.py has no commands')


@needs_colcon
def test_colcon_sees_an_ament_package():
    listed = subprocess.check_output([COLCON, 'list', '--base-paths', str(ROOT)], text=True)
    assert 'sds_perception' in listed and 'ros.ament_python' in listed


@pytest.fixture(scope='module', params=[(), ('--symlink-install',)], ids=['copied', 'linked'])
def prefix(request, tmp_path_factory) -> Path:
    """Where colcon installed the package."""
    base = tmp_path_factory.mktemp('colcon')
    folders = [f'--{name}-base={base / name}' for name in ('build', 'install', 'test-result')]
    build = [COLCON, f'--log-base={base}/log', 'build', '--base-paths', str(ROOT)]
    done = subprocess.run(
        [*build, *folders, *request.param], cwd=base, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return base / 'install' / 'sds_perception'


@needs_colcon
def test_the_installed_commands_start_the_python_they_were_built_with(prefix):
    building = Path(COLCON).read_text().splitlines()[0].removeprefix('#!')
    for name in commands():
        first = (prefix / 'lib' / 'sds_perception' / name).read_text().splitlines()[0]
        assert Path(first.removeprefix('#!')).parent == Path(building).parent, name


@needs_colcon
def test_colcon_builds_it_with_all_that_a_vehicle_needs(prefix):
    share = prefix / 'share' / 'sds_perception'
    for folder, pattern in (('launch', '*.launch.py'), ('config/vehicle', '*')):
        shipped = {file.name for file in (ROOT / folder).glob(pattern)}
        assert shipped and {file.name for file in (share / folder).glob(pattern)} == shipped
    assert (share / 'package.xml').is_file()
    assert (share / 'hook' / 'ament_prefix_path.sh').is_file()
    assert (prefix / 'share/ament_index/resource_index/packages/sds_perception').is_file()
    installed = {file.name for file in (prefix / 'lib' / 'sds_perception').iterdir()}
    assert installed == set(commands())


def test_the_parameter_file_has_every_parameter_with_its_default_and_its_sentence():
    text = (VEHICLE / 'perception.yaml').read_text()
    given = yaml.safe_load(text)['/**']['ros__parameters']
    assert list(given) == [each.name for each in fields(NodeConfig)]
    flat = ' '.join(line.strip().removeprefix('#').strip() for line in text.splitlines())
    for each in fields(NodeConfig):
        default = [*each.default] or [''] if isinstance(each.default, tuple) else each.default
        assert given[each.name] == default and type(given[each.name]) is type(default), each.name
        live = '; live' if each.metadata['live'] else ''
        assert each.metadata['description'] + live in flat, each.name


def test_the_views_show_what_the_node_publishes():
    outputs = (ROOT / 'sds_perception/ros/outputs.py').read_text()
    rviz = yaml.safe_load((VEHICLE / 'perception.rviz').read_text())
    shown = [
        d['Topic']['Value'] for d in rviz['Visualization Manager']['Displays'] if 'Topic' in d
    ]
    foxglove = json.loads((VEHICLE / 'foxglove.json').read_text())
    for panel in foxglove['configById'].values():
        shown += [panel['imageMode']['imageTopic']] if 'imageMode' in panel else []
        shown += panel.get('topics', {})
    assert {'/sds_perception/overlay', '/sds_perception/points'} <= set(shown)
    for topic in shown:
        node, name = topic.strip('/').split('/')
        assert node == 'sds_perception' and f"'{name}'" in outputs


def test_the_foxglove_layout_places_every_panel_once():
    layout = json.loads((VEHICLE / 'foxglove.json').read_text())
    placed: list[str] = []

    def walk(part):
        if isinstance(part, str):
            placed.append(part)
        else:
            walk(part['first']), walk(part['second'])

    walk(layout['layout'])
    assert sorted(placed) == sorted(layout['configById'])
