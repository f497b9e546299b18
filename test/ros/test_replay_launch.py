from __future__ import annotations

import sys
import time

import pytest
from launch_files import launched_with, loaded, needs_launch, performed, written


@needs_launch
@pytest.mark.parametrize('bag', ['/d/drive', '/d/drive/'])
def test_the_results_of_a_replay_lie_beside_the_bag_and_never_in_it(bag):
    assert loaded('replay').output(launched_with(bag=bag, output='')) == '/d/drive_perceived'
    assert loaded('replay').output(launched_with(bag=bag, output='/r')) == '/r'


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
    file = written(tmp_path, text)
    context = launched_with(params_file=file, bag='drive', output='')
    names, *_ = loaded('perception').perception(context)
    names.execute(context)
    assert loaded('perception').cameras(context) == named
    record, play = loaded('replay').player_and_recorder(context)
    for each in (f'{name}/labels' for name in named or ['sds_perception']):
        assert each in _told(record) and each in _told(play)


@needs_launch
def test_a_replay_leaves_out_what_a_node_recorded_before(tmp_path):
    context = launched_with(sds_perception_cameras='', bag='drive', output='')
    _, play = loaded('replay').player_and_recorder(context)
    assert '--except sds_perception /diagnostics --await' in _told(play)


@needs_launch
def test_a_dds_profile_that_is_given_reaches_player_and_recorder_too():
    from sds_perception.ros.shipped import PROFILE_VARIABLES

    given = {'sds_perception_cameras': '', 'bag': 'drive', 'output': ''}
    for profile, variables in (('', ()), ('mine.xml', PROFILE_VARIABLES)):
        context = launched_with(**given, dds_profile=profile)
        for process in loaded('replay').player_and_recorder(context):
            told = {performed(name): performed(value) for name, value in process.additional_env}
            assert told == dict.fromkeys(variables, profile)


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


def _told(node) -> str:
    """The command of a node as far as the launch file says it itself."""
    words = [part for word in node.cmd for part in word]
    return ' '.join(each.text for each in words if hasattr(each, 'text'))
