"""Would the node come up here and hear its cameras? Its own parts are asked."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator

import torch
from rclpy.node import Node

from sds_perception.release import Release, ReleaseError, named_release
from sds_perception.ros.building import build_perceiver
from sds_perception.ros.doctor.findings import Finding, fault
from sds_perception.ros.doctor.topic_check import check_topics
from sds_perception.ros.finish import Finisher
from sds_perception.ros.node_config import NodeConfig, ParameterError
from sds_perception.ros.parameters import Parameters
from sds_perception.ros.tool_node import BadArguments, checked_topic, tool_node

PARAMETERS = ('release', 'device', 'engine', 'precision', 'image_transport')  # options, too
TOPICS = ('image', 'camera_info')


def check_node(wanted: argparse.Namespace) -> Iterator[Finding]:
    """Parameters, device, release, engine, masks and cameras as the node will have them."""
    try:
        arguments = node_arguments(wanted)
        # Of the node's name, as the file's parameters are; without services, as it may be running.
        with tool_node('sds_perception', arguments, start_parameter_services=False) as node:
            yield from _as_node(node, wanted)
    except BadArguments as problem:
        yield fault('arguments', str(problem))


def node_arguments(wanted: argparse.Namespace) -> list[str]:
    """The command line of a node that is told what the doctor was told."""
    told = ['doctor', '--ros-args']
    if wanted.params_file:
        told += ['--params-file', wanted.params_file]
    for name in PARAMETERS:
        if (value := getattr(wanted, name)) is not None:
            told += ['-p', f'{name}:={json.dumps(value)}']  # JSON is YAML
    for name in TOPICS:
        if (topic := getattr(wanted, f'{name}_topic')) is not None:
            told += ['-r', f'{name}:={checked_topic(topic)}']
    return told + wanted.ros_args


def _as_node(node: Node, wanted: argparse.Namespace) -> Iterator[Finding]:
    try:
        config = Parameters(node).settle()
    except ParameterError as problem:
        yield fault('parameters', str(problem))
        return
    yield check_device(config.device)
    yield from check_release(config)
    yield from check_masks(config)
    if not wanted.timeout:
        return
    if config.cameras and (wanted.image_topic or wanted.camera_info_topic):
        yield fault(
            'topics',
            f'--image-topic and --camera-info-topic are for one camera, cameras names '
            f'{", ".join(config.cameras)}: give --ros-args -r {config.cameras[0]}/image:=TOPIC',
        )
        return
    yield from check_topics(node, config, wanted.timeout)


def check_device(device: str) -> Finding:
    """Whether torch sees what the node is told to run on."""
    if not device.startswith('cuda'):
        return Finding('device', f'{device}, {torch.get_num_threads()} threads')
    if not torch.cuda.is_available():
        return fault(
            'device',
            f'{device} is wanted but torch {torch.__version__} sees no GPU: mend the driver or '
            'launch with device:=cpu',
        )
    try:
        return Finding('device', f'{device}: {torch.cuda.get_device_name(device)}')
    except (AssertionError, RuntimeError):  # a number too high, or no number
        there = ', '.join(f'cuda:{number}' for number in range(torch.cuda.device_count()))
        return fault('device', f'{device} is not here: device:= may be {there} or cpu')


def check_release(config: NodeConfig) -> list[Finding]:
    """The release can be read, and its engine built and run."""
    try:
        release = named_release(config.release)
    except ReleaseError as problem:
        return [fault('release', str(problem))]
    about = Finding('release', f'{config.release}: {_described(release)}')
    try:
        perceiver = build_perceiver(release, config)
        taken_ms = 1e3 * min(_seconds(perceiver.warm_up) for _ in range(5))
    except Exception as problem:  # drivers and compilers raise what they like
        return [about, fault('engine', f'{config.engine}: {problem}')]
    speed = Finding('engine', f'{perceiver.engine.name}: {taken_ms:.1f} ms per frame at best')
    if not (said := perceiver.refusal):
        return [about, speed]
    return [about, speed, fault('engine', f'{said}: choose another engine or precision')]


def check_masks(config: NodeConfig) -> Iterator[Finding]:
    """Every camera's hood mask can be read, where there shall be one."""
    for name in (config.cameras or ('',)) if config.hood_mask else ():
        try:
            Finisher(config, name)
        except OSError as problem:
            yield fault('hood', str(problem))
        else:
            yield Finding('hood', f'the mask of {name or "the camera"} is a picture')


def _described(release: Release) -> str:
    weights = 'trained' if release.trained else 'UNTRAINED weights'
    height, width = release.input_size
    return f'{release.digest[:12]}, {width}x{height}, {release.depth_kind}, {weights}'


def _seconds(warm_up: Callable[[int], None]) -> float:
    began = time.perf_counter()
    warm_up(1)
    return time.perf_counter() - began
