from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip('rclpy')

from sds_perception.ros.shipped import PROFILE_VARIABLES, prepare_transport, shipped_file
from sds_perception.ros.trial import delivery

pytestmark = [pytest.mark.ros, pytest.mark.usefixtures('own_domain')]


def test_1080p_frames_reach_the_node_of_another_process(tmp_path, tiny_release):
    figures = tmp_path / 'figures.json'
    command = [sys.executable, '-m', 'sds_perception.ros.trial.delivery', '--json', str(figures)]
    command += ['--release', str(tiny_release), '--device', 'cpu', '--output-size', 'network']
    # A process: only its first participant reads the profile. 5 Hz: the law is about fragments,
    # which get lost at any rate, not about a busy machine.
    command += ['--engine', 'torch', '--rate', '5', '--seconds', '3']
    subprocess.run(command, timeout=300, check=False)
    found = json.loads(figures.read_text())
    assert found['sent'] == 15
    assert found['received_percent'] >= 70  # 10 with the default half-megabyte segment
    assert found['processed'] == found['consumed'] > 0
    assert found['bare_engine_ms'] > 0


def test_the_bare_engine_is_that_of_the_demo_release_where_this_is_named():
    wanted = argparse.Namespace(release='demo', device='cpu', engine='torch', precision='')
    frame = np.zeros((48, 64, 3), np.uint8)
    assert delivery._bare_engine_ms(wanted, frame, calls=1) > 0


def test_the_profile_has_room_for_ten_1080p_frames():
    root = ElementTree.parse(shipped_file('config/vehicle/fastdds.xml')).getroot()
    (size,) = [each.text for each in root.iter() if each.tag.endswith('segment_size')]
    assert int(size) >= 10 * 1920 * 1080 * 3


def test_children_get_the_profile_under_both_names():
    environment: dict[str, str] = {}
    prepare_transport(environment)
    assert {*environment} == {*PROFILE_VARIABLES}
    assert {environment[name] for name in PROFILE_VARIABLES} == {
        str(shipped_file('config/vehicle/fastdds.xml'))
    }


@pytest.mark.parametrize('name', PROFILE_VARIABLES)
def test_an_operators_own_profile_wins_under_both_names(name):
    environment = {name: '/own.xml'}
    prepare_transport(environment)
    assert [environment[each] for each in PROFILE_VARIABLES] == ['/own.xml', '/own.xml']


@pytest.mark.parametrize('own', [{}, dict.fromkeys(PROFILE_VARIABLES[:1], '/own.xml')])
def test_transports_named_by_an_operator_keep_our_profile_out_and_no_other(own):
    environment = {'FASTDDS_BUILTIN_TRANSPORTS': 'LARGE_DATA', **own}
    prepare_transport(environment)
    profiles = [environment.get(each) for each in PROFILE_VARIABLES]
    assert profiles == ([*own.values()] * 2 if own else [None, None])


def test_a_file_that_does_not_ship_is_named():
    with pytest.raises(FileNotFoundError, match='config/vehicle/none.xml ships with'):
        shipped_file('config/vehicle/none.xml')


def test_shipped_files_are_found_from_an_installed_copy(tmp_path):
    """As colcon and pip lay it out: code under lib, files under share."""
    import shutil

    source = Path(shipped_file('config/vehicle/fastdds.xml')).parents[2]
    site = tmp_path / 'lib/python3/site-packages'
    shutil.copytree(source / 'sds_perception', site / 'sds_perception')
    shutil.copytree(source / 'config', tmp_path / 'share/sds_perception/config')
    code = (
        'from sds_perception.ros.shipped import shipped_file;'
        "print(shipped_file('config/vehicle/fastdds.xml'))"
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        env={**os.environ, 'PYTHONPATH': str(site), 'AMENT_PREFIX_PATH': ''},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.stdout.strip() == str(tmp_path / 'share/sds_perception/config/vehicle/fastdds.xml')
