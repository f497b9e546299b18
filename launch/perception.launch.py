"""Start the perception node, and unless told otherwise configure and activate it.

ros2 launch sds_perception perception.launch.py image_topic:=/front/image_raw
"""

from __future__ import annotations

from launch.actions import DeclareLaunchArgument, EmitEvent, OpaqueFunction, RegisterEventHandler
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessStart
from launch.events import matches_action
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.substitutions import FindPackageShare
from lifecycle_msgs.msg import Transition

from launch import LaunchContext, LaunchDescription

VEHICLE = PathJoinSubstitution([FindPackageShare('sds_perception'), 'config', 'vehicle'])
SHIPPED_PROFILE = PathJoinSubstitution([VEHICLE, 'fastdds.xml'])
KEPT = '1073741824'  # bytes glibc keeps rather than fault the pages of every frame in again
FROM_FILE = "; '' takes the parameter file's"


def arguments() -> list[DeclareLaunchArgument]:
    """What an operator changes; everything else lives in the parameter file."""
    shipped = PathJoinSubstitution([VEHICLE, 'perception.yaml'])
    older = EnvironmentVariable('FASTRTPS_DEFAULT_PROFILES_FILE', default_value=SHIPPED_PROFILE)
    profile = EnvironmentVariable('FASTDDS_DEFAULT_PROFILES_FILE', default_value=older)
    declared = (
        (
            'image_topic',
            '/image',
            'Pictures to look at; their CompressedImage is TOPIC/compressed',
        ),
        ('camera_info_topic', '/camera_info', 'CameraInfo of those pictures'),
        ('release', '', f'Release file to run (.safetensors){FROM_FILE}'),
        ('device', '', f"Where the network runs: 'cpu', 'cuda' or 'cuda:N'{FROM_FILE}"),
        ('engine', '', f"How it runs: 'torch', 'onnxruntime' or 'openvino'{FROM_FILE}"),
        ('precision', '', f"Of the network, such as 'bf16'{FROM_FILE}"),
        ('params_file', shipped, 'Parameters of the node (YAML)'),
        ('namespace', '', 'Namespace of the node and of its topics'),
        ('autostart', 'true', 'Configure and activate at once; false leaves that to a manager'),
        ('use_sim_time', '', f'Take the time from /clock, as a replayed bag needs{FROM_FILE}'),
        ('log_level', 'info', "'debug', 'info', 'warn', 'error' or 'fatal'"),
        ('dds_profile', profile, 'Fast DDS profile; the shipped one has room for whole pictures'),
    )
    return [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in declared
    ]


def generate_launch_description() -> LaunchDescription:
    """The arguments, and the node made from them."""
    return LaunchDescription([*arguments(), OpaqueFunction(function=perception)])


def perception(context: LaunchContext) -> list[object]:
    """The node and its way to active."""
    profile = LaunchConfiguration('dds_profile')
    node = LifecycleNode(
        package='sds_perception',
        executable='perception_node',
        name='sds_perception',
        namespace=LaunchConfiguration('namespace'),
        parameters=[LaunchConfiguration('params_file'), *overrides(context)],
        remappings=[
            ('image', LaunchConfiguration('image_topic')),
            ('camera_info', LaunchConfiguration('camera_info_topic')),
        ],
        ros_arguments=['--log-level', LaunchConfiguration('log_level')],
        additional_env={
            'FASTDDS_DEFAULT_PROFILES_FILE': profile,
            'FASTRTPS_DEFAULT_PROFILES_FILE': profile,  # Jazzy and older read this one only
            'MALLOC_MMAP_THRESHOLD_': KEPT,
            'MALLOC_TRIM_THRESHOLD_': KEPT,
        },
        output='screen',
    )
    return [*start(node), node]


def overrides(context: LaunchContext) -> list[dict[str, object]]:
    """Arguments that were given; an empty one must not hide the parameter file."""
    values: dict[str, object] = {
        name: LaunchConfiguration(name).perform(context)
        for name in ('release', 'device', 'engine', 'precision')
    }
    if LaunchConfiguration('use_sim_time').perform(context):
        values['use_sim_time'] = LaunchConfiguration('use_sim_time')  # as it is: read as YAML
    given = {name: value for name, value in values.items() if value}
    return [given] if given else []


def start(node: LifecycleNode) -> list[RegisterEventHandler]:
    """Configure once the process runs, activate once that worked; only with autostart."""
    automatic = IfCondition(LaunchConfiguration('autostart'))
    configured = OnStateTransition(
        target_lifecycle_node=node,
        start_state='configuring',  # an operator's deactivate ends in inactive too
        goal_state='inactive',
        entities=[_change(node, Transition.TRANSITION_ACTIVATE)],
    )
    running = OnProcessStart(
        target_action=node, on_start=[_change(node, Transition.TRANSITION_CONFIGURE)]
    )
    return [
        RegisterEventHandler(configured, condition=automatic),
        RegisterEventHandler(running, condition=automatic),
    ]


def _change(node: LifecycleNode, transition: int) -> EmitEvent:
    return EmitEvent(
        event=ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition)
    )
