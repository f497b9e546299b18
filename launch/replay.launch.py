"""Play a bag into the perception node in the bag's own time, and record what it saw.

    ros2 launch sds_perception replay.launch.py bag:=DRIVE image_topic:=/front/image_raw

`image_topic` and `camera_info_topic` name the topics in the bag. They are played with the quality
of service they were recorded with (reliable where the bag does not say), which the node matches.
What a node recorded into the bag before (its outputs, /diagnostics) is not played. All other
arguments are those of perception.launch.py.
"""

from __future__ import annotations

from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    SetLaunchConfiguration,
    Shutdown,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, ThisLaunchFileDir
from launch_ros.actions import Node
from launch_ros.event_handlers import OnStateTransition

from launch import LaunchContext, LaunchDescription

NODE = 'sds_perception'
PROFILE_VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
RECORDED = ('labels', 'depth', 'depth_relative', 'confidence', 'camera_info')

REFUSED = 'the node could not be configured, for the reason it gives above: nothing is replayed'


def arguments() -> list[DeclareLaunchArgument]:
    """What there is to say besides the arguments of perception.launch.py."""
    return [
        DeclareLaunchArgument('bag', description='ROS 2 bag to play (db3 or mcap)'),
        DeclareLaunchArgument(
            'output',
            default_value='',
            description='Bag of the results, which must not exist yet (BAG_perceived)',
        ),
        DeclareLaunchArgument('rate', default_value='1.0', description='Times real time'),
        DeclareLaunchArgument(
            'passes', default_value='1', description='Times to play the bag; 0 is for ever'
        ),
    ]


def generate_launch_description() -> LaunchDescription:
    """Node, player and recorder; when one ends, or the node cannot be configured, all end."""
    perception = PathJoinSubstitution([ThisLaunchFileDir(), 'perception.launch.py'])
    refused = OnStateTransition(
        start_state='configuring',
        goal_state='unconfigured',
        entities=[OpaqueFunction(function=_refused)],
    )
    return LaunchDescription(
        [
            *arguments(),
            SetLaunchConfiguration('use_sim_time', 'true'),
            RegisterEventHandler(refused),
            RegisterEventHandler(OnProcessExit(on_exit=_end_all)),
            IncludeLaunchDescription(PythonLaunchDescriptionSource(perception)),
            OpaqueFunction(function=player_and_recorder),
        ]
    )


def player_and_recorder(context: LaunchContext) -> list[Node]:
    """What plays the cameras of the parameter file, and what records their outputs."""
    names = LaunchConfiguration('sds_perception_cameras').perform(context).split()
    below = [f'{NODE}/{camera}' for camera in names] or [NODE]
    outputs = [f'{each}/{name}' for each in below for name in RECORDED]
    profile = LaunchConfiguration('dds_profile').perform(context)
    same_profile = {name: profile for name in PROFILE_VARIABLES if profile}  # as the node has
    play = _tool(
        'replay', LaunchConfiguration('bag'),
        '--clock', '--rate', LaunchConfiguration('rate'), '--loop', LaunchConfiguration('passes'),
        '--except', NODE, '/diagnostics',
        '--await', *(f'{each}/labels' for each in below),
        '--wait', '900',  # an engine may have to be built first
        additional_env=same_profile,
    )  # fmt: skip
    record = _tool(
        'record', output(context),
        '--topics', *outputs, f'{NODE}/label_info_json', '/diagnostics',
        parameters=[{'use_sim_time': True}], additional_env=same_profile,
    )  # fmt: skip
    return [record, play]


def output(context: LaunchContext) -> str:
    """Where the results go: beside the bag unless told otherwise, never into its folder."""
    bag = LaunchConfiguration('bag').perform(context)
    return LaunchConfiguration('output').perform(context) or f'{bag.rstrip("/")}_perceived'


def _tool(executable: str, *arguments: object, **options: object) -> Node:
    return Node(
        package='sds_perception',
        executable=executable,
        namespace=LaunchConfiguration('namespace'),
        arguments=list(arguments),
        output='screen',
        **options,
    )


def _end_all(event: ProcessExited, context: LaunchContext) -> list[Shutdown]:
    """The first process to end ends the others; `ros2 launch` ends with 1 if it failed."""
    if context.is_shutdown:
        return []
    if event.returncode:
        raise RuntimeError(f'{event.process_name} failed with exit code {event.returncode}')
    return [Shutdown(reason=f'{event.process_name} ended')]


def _refused(_: LaunchContext) -> None:
    # An exception is the one way in which a launch file ends `ros2 launch` with a code but 0.
    raise RuntimeError(REFUSED)
