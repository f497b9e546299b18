"""Play a bag into the perception node in the bag's own time, and record what it saw.

    ros2 launch sds_perception replay.launch.py bag:=DRIVE image_topic:=/front/image_raw

`image_topic` and `camera_info_topic` name the topics in the bag. They are played with the quality
of service they were recorded with (reliable where the bag does not say), which the node matches.
All other arguments are those of perception.launch.py.
"""

from __future__ import annotations

from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    RegisterEventHandler,
    SetLaunchConfiguration,
    Shutdown,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, ThisLaunchFileDir
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription

RECORDED = ('labels', 'depth', 'depth_relative', 'confidence', 'camera_info', 'label_info_json')


def generate_launch_description() -> LaunchDescription:
    """Node, player and recorder; all end when the bag or the recording does."""
    bag, namespace = LaunchConfiguration('bag'), LaunchConfiguration('namespace')
    topics = [f'sds_perception/{name}' for name in RECORDED]
    record = Node(
        package='sds_perception',
        executable='record',
        namespace=namespace,
        arguments=[LaunchConfiguration('output'), '--topics', *topics, '/diagnostics'],
        parameters=[{'use_sim_time': True}],
        output='screen',
    )
    play = Node(
        package='sds_perception',
        executable='replay',
        namespace=namespace,
        arguments=[
            bag, '--clock', '--rate', LaunchConfiguration('rate'),
            '--loop', LaunchConfiguration('passes'), '--await', 'sds_perception/labels',
            '--wait', '900',  # an engine may have to be built first
        ],
        output='screen',
    )  # fmt: skip
    perception = PathJoinSubstitution([ThisLaunchFileDir(), 'perception.launch.py'])
    return LaunchDescription(
        [
            DeclareLaunchArgument('bag', description='ROS 2 bag to play (db3 or mcap)'),
            DeclareLaunchArgument(
                'output',
                default_value=[bag, '_perceived'],
                description='Bag of the results; must not exist yet',
            ),
            DeclareLaunchArgument('rate', default_value='1.0', description='Times real time'),
            DeclareLaunchArgument(
                'passes', default_value='1', description='Times to play the bag; 0 is for ever'
            ),
            SetLaunchConfiguration('use_sim_time', 'true'),
            IncludeLaunchDescription(PythonLaunchDescriptionSource(perception)),
            record,
            play,
            *(_ends_all(process) for process in (play, record)),
        ]
    )


def _ends_all(process: Node) -> RegisterEventHandler:
    def end(event: ProcessExited, context: LaunchContext) -> list[Shutdown]:
        return [] if context.is_shutdown else [Shutdown(reason=f'{event.process_name} ended')]

    return RegisterEventHandler(OnProcessExit(target_action=process, on_exit=end))
