"""Start the perception node, and unless told otherwise configure and activate it.

    ros2 launch sds_perception perception.launch.py image_topic:=/front/image_raw release:=demo

Several cameras are named in the parameter file (`cameras: [front, rear]`), and their topics here:

    ... params_file:=two.yaml remap:='front/image:=/cam0/image_raw rear/image:=/cam1/image_raw'
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    OpaqueFunction,
    RegisterEventHandler,
    SetLaunchConfiguration,
)
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessStart
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.substitutions import FindPackageShare
from launch_ros.utilities import make_namespace_absolute, prefix_namespace
from lifecycle_msgs.msg import Transition

from launch import LaunchContext, LaunchDescription

NODE = 'sds_perception'
VEHICLE = PathJoinSubstitution([FindPackageShare('sds_perception'), 'config', 'vehicle'])
SHIPPED_PARAMETERS = PathJoinSubstitution([VEHICLE, 'perception.yaml'])
PROFILE_VARIABLES = (
    'FASTDDS_DEFAULT_PROFILES_FILE',
    'FASTRTPS_DEFAULT_PROFILES_FILE',  # Jazzy and older read this one only
)
FORGOTTEN_S = 25.0  # DDS shows a killed node for 20, which would be told to configure instead
TEXTS = ('image_transport', 'release', 'device', 'engine', 'precision')  # parameters of the node
NAMES = 'sds_perception_cameras'  # where a file that includes this one finds them
OTHERS = ('camera_height_m', 'use_sim_time')
FROM_FILE = "; '' takes the parameter file's"


def arguments() -> list[DeclareLaunchArgument]:
    """What an operator changes; everything else lives in the parameter file."""
    table = (
        ('image_topic', '', 'What to look at (/image); their CompressedImage is TOPIC/compressed'),
        ('camera_info_topic', '', 'CameraInfo of those pictures (camera_info beside image_topic)'),
        ('remap', '', "FROM:=TO of several cameras' topics: 'front/image:=/a rear/image:=/b'"),
        ('image_transport', '', f"'raw' or 'compressed'{FROM_FILE}"),
        ('camera_height_m', '', f'Of the camera over the road, for metres{FROM_FILE}'),
        ('release', '', f"File to run (.safetensors), or the shipped 'demo'{FROM_FILE}"),
        ('device', '', f"Where the network runs: 'cpu', 'cuda' or 'cuda:N'{FROM_FILE}"),
        ('engine', '', f"How it runs: 'torch', 'onnxruntime', 'openvino' or 'mnn'{FROM_FILE}"),
        ('precision', '', f"Of the network, such as 'bf16'{FROM_FILE}"),
        ('params_file', SHIPPED_PARAMETERS, 'Parameters of the node (YAML)'),
        ('namespace', '', 'Namespace of the node and of its topics'),
        ('autostart', 'true', 'Configure and activate at once; false leaves that to a manager'),
        ('respawn', 'false', f'Start the node anew where it died, {FORGOTTEN_S:g} s later'),
        ('use_sim_time', '', f'Take the time from /clock, as a replayed bag needs{FROM_FILE}'),
        ('log_level', 'info', "'debug', 'info', 'warn', 'error' or 'fatal'"),
        ('dds_profile', '', "Fast DDS profile; '' takes the shell's, or the shipped one"),
    )
    return [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in table
    ]


def generate_launch_description() -> LaunchDescription:
    """The arguments, and the node made from them."""
    return LaunchDescription([*arguments(), OpaqueFunction(function=perception)])


def perception(context: LaunchContext) -> list[object]:
    """The node and its way to active."""
    names = cameras(context)
    node = LifecycleNode(
        package='sds_perception',
        executable='perception_node',
        name=NODE,
        namespace=LaunchConfiguration('namespace'),
        parameters=[LaunchConfiguration('params_file'), *overrides(context)],
        remappings=remappings(context, names),
        ros_arguments=['--log-level', LaunchConfiguration('log_level')],
        additional_env=environment(context),
        respawn=IfCondition(LaunchConfiguration('respawn')).evaluate(context),
        respawn_delay=FORGOTTEN_S,
        output='screen',
    )
    return [SetLaunchConfiguration(NAMES, ' '.join(names)), *start(node), node]


def environment(context: LaunchContext) -> dict[str, str]:
    """The DDS profile that was given; else the node looks one up itself."""
    profile = LaunchConfiguration('dds_profile').perform(context)
    return {name: profile for name in PROFILE_VARIABLES if profile}


def cameras(context: LaunchContext) -> list[str]:
    """The cameras the parameter file names for our node; none where it has a single one."""
    file = Path(LaunchConfiguration('params_file').perform(context))
    told = _told(yaml.safe_load(file.read_text()), full_name(context))
    names = [[], *told][-1]  # as ROS has it: the last one counts
    if not (isinstance(names, list) and all(isinstance(each, str) for each in names)):
        raise RuntimeError(f'cameras is {names!r} in {file}, wanted a list such as [front, rear]')
    return [each for each in names if each]


def full_name(context: LaunchContext) -> str:
    """Of the node, with the namespace of the launch file that may include this one."""
    outer = context.launch_configurations.get('ros_namespace')
    own = LaunchConfiguration('namespace').perform(context)
    return f'{make_namespace_absolute(prefix_namespace(outer, own)).rstrip("/")}/{NODE}'


def _told(parameters: object, name: str, pattern: str = '') -> Iterator[object]:
    """Every value of `cameras` below a `pattern` of ROS that the node `name` matches."""
    for key, value in parameters.items() if isinstance(parameters, dict) else ():
        if key != 'ros__parameters':
            yield from _told(value, name, pattern + _as_regex(str(key)))
        elif re.fullmatch(pattern, name) and 'cameras' in (value or {}):
            yield value['cameras']


def _as_regex(key: str) -> str:
    """What a part of a name in a parameter file stands for: * is one word, ** any number."""
    wild = {'*': r'/\w+', '**': r'(/\w+)*'}
    return ''.join(wild.get(each, f'/{re.escape(each)}') for each in key.split('/') if each)


def remappings(context: LaunchContext, names: list[str]) -> list[tuple[str, str]]:
    """From the node's topics to those given; one that no camera has is refused."""
    rules = LaunchConfiguration('remap').perform(context).split()
    if wrong := [each for each in rules if not re.fullmatch('[^:]+:=[^:]+', each)]:
        raise RuntimeError(f'remap is FROM:=TO and more such, apart by spaces, not {wrong[0]!r}')
    given = {
        topic: LaunchConfiguration(f'{topic}_topic').perform(context)
        for topic in ('image', 'camera_info')
    }
    if names and (told := [each for each in given if given[each]]):
        raise RuntimeError(
            f'{told[0]}_topic is for one camera, and {", ".join(names)} are named in the '
            f"parameter file: give remap:='{names[0]}/{told[0]}:={given[told[0]]}'"
        )
    if not names:
        image = given['image'] or '/image'
        beside = f'{image.rpartition("/")[0]}/camera_info' if '/' in image else 'camera_info'
        rules += [f'image:={image}', f'camera_info:={given["camera_info"] or beside}']
    return [tuple(each.split(':=')) for each in rules]


def overrides(context: LaunchContext) -> list[dict[str, object]]:
    """Arguments that were given; an empty one must not hide the parameter file."""
    values = {name: LaunchConfiguration(name).perform(context) for name in TEXTS + OTHERS}
    given = {name: value for name, value in values.items() if value}
    for name in set(given) & set(OTHERS):
        given[name] = LaunchConfiguration(name)  # as it is: read as YAML
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
