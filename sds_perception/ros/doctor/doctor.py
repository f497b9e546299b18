"""Examine a machine before the node is launched: one line per thing, one sentence per fault.

ros2 run sds_perception doctor --image-topic /front/image_raw --release model.safetensors
ros2 run sds_perception doctor --params-file perception.yaml --release demo
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from xml.etree import ElementTree

from sds_perception.argument_types import number
from sds_perception.process_memory import keep_large_buffers
from sds_perception.ros.doctor.findings import Finding, fault
from sds_perception.ros.shipped import PROFILE_VARIABLES, TRANSPORTS_VARIABLE, prepare_transport

LIBRARIES = ('numpy', 'cv2', 'torch', 'rclpy', 'sensor_msgs')
SEGMENT_BYTES = 32 << 20  # five frames of 1080p colour: less loses some under load
SHARED_MEMORY_BYTES = 4 * (64 << 20)  # camera, node and two listeners with our profile
NODE_SETS_IT = (
    'the node sets the profile itself; its camera driver needs it too, or large frames get lost'
)
SAME_THERE = 'it must be the same for the camera driver, with room for its pictures'
FAST_DDS = 'rmw_fastrtps'  # what the names of its middlewares begin with
NOT_SHARED = 'no shared memory, large pictures go over UDP'
WITHOUT_SHM = ('UDPv4', 'UDPv6', 'NONE')  # built-in transports; in other letters: the default
LAST_DOMAIN = 232  # beyond this the port numbers of DDS end


def examine(wanted: argparse.Namespace) -> Iterator[Finding]:
    """All findings, cheapest first; what cannot be examined without a broken part is left out."""
    libraries = check_libraries()
    yield from libraries
    usable = not any(each.fault for each in libraries)
    transport = check_transport(os.environ)
    yield from transport
    if shares_memory(os.environ):
        yield check_shared_memory()
    yield check_malloc()
    if usable and not any(each.fault and each.subject == 'domain' for each in transport):
        from sds_perception.ros.doctor.node_check import check_node  # needs the libraries

        yield from check_node(wanted)


def check_libraries(names: Sequence[str] = LIBRARIES) -> list[Finding]:
    """Versions and places: two numpys or OpenCVs on one path is the usual trouble."""
    found = [Finding('python', f'{platform.python_version()} at {sys.executable}')]
    for name in names:
        try:
            module = import_module(name)
        except Exception as problem:  # a half-installed library raises whatever it likes
            found.append(
                fault(name, f'cannot be imported: {problem}; is this the Python that has ROS?')
            )
            continue
        version = getattr(module, '__version__', '')
        found.append(Finding(name, f'{version} at {Path(module.__file__ or "").parent}'.strip()))
    return found


def check_transport(environment: Mapping[str, str]) -> list[Finding]:
    """ROS_DOMAIN_ID, and the Fast DDS profile node and camera have: room for pictures?"""
    domain = environment.get('ROS_DOMAIN_ID') or '0'
    if not domain.isdecimal() or int(domain) > LAST_DOMAIN:
        found = [fault('domain', f'ROS_DOMAIN_ID is {domain!r}, wanted 0 to {LAST_DOMAIN}')]
    else:
        found = [Finding('domain', f'ROS_DOMAIN_ID is {domain}')]
    if not (name := middleware(environment)).startswith(FAST_DDS):
        return [*found, Finding('dds', f'{name}: our Fast DDS profile has no part in it')]
    missing = [name for name in PROFILE_VARIABLES if not environment.get(name)]
    try:
        ours = prepared(environment)
    except FileNotFoundError as problem:
        return [*found, fault('dds', str(problem))]
    if not any(ours.get(name) for name in PROFILE_VARIABLES):
        named = f'{TRANSPORTS_VARIABLE} is {environment[TRANSPORTS_VARIABLE]}'
        then = SAME_THERE if shares_memory(environment) else NOT_SHARED
        return [*found, Finding('dds', f'{named}: our Fast DDS profile stays out; {then}')]
    found += [_profile(name, ours) for name in PROFILE_VARIABLES]
    if missing:
        advice = f'export {" ".join(f"{name}={ours[name]}" for name in missing)}'
        found.append(Finding('dds', f'{NODE_SETS_IT}: {advice}'))
    return found


def middleware(environment: Mapping[str, str]) -> str:
    """The ROS middleware that nodes started from here use."""
    return environment.get('RMW_IMPLEMENTATION') or 'rmw_fastrtps_cpp'


def prepared(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment as launch file and node make it for themselves."""
    ours = dict(environment)
    prepare_transport(ours)
    return ours


def shares_memory(environment: Mapping[str, str]) -> bool:
    """Whether Fast DDS is told to carry pictures through shared memory, as far as one can see."""
    if not middleware(environment).startswith(FAST_DDS):
        return False
    try:
        ours = prepared(environment)
        profiles = [ours[name] for name in PROFILE_VARIABLES if ours.get(name)]
        if profiles:
            roots = [ElementTree.parse(each).getroot() for each in profiles]
            return any(_has_segment(each, environment) for each in roots)
    except (OSError, ElementTree.ParseError):
        return True  # which is told beside this, and Fast DDS then takes its own default
    return not environment[TRANSPORTS_VARIABLE].startswith(WITHOUT_SHM)


def _has_segment(root: ElementTree.Element, environment: Mapping[str, str]) -> bool:
    """Whether a profile leaves shared memory on, by a transport of its own or a built-in one."""
    tags = [(e.tag.rsplit('}', 1)[-1], (e.text or '').strip()) for e in root.iter()]
    if ('type', 'SHM') in tags:
        return True
    named = environment.get(TRANSPORTS_VARIABLE, '')  # which a profile's own word outranks
    builtin = next((text for tag, text in tags if tag == 'builtinTransports'), named)
    return ('useBuiltinTransports', 'false') not in tags and not builtin.startswith(WITHOUT_SHM)


def _profile(variable: str, environment: Mapping[str, str]) -> Finding:
    path = environment[variable]
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as problem:
        return fault('dds', f'{variable} names {path}, which cannot be read as XML: {problem}')
    if not _has_segment(root, environment):
        return Finding('dds', f'{variable} names {path}: {NOT_SHARED}')
    sizes = [e.text or '' for e in root.iter() if e.tag.rsplit('}', 1)[-1] == 'segment_size']
    segment = max((int(size) for size in sizes if size.strip().isdecimal()), default=0)
    if segment < SEGMENT_BYTES:
        return fault(
            'dds',
            f'{variable} names {path}, whose shared-memory segment is {segment / 2**20:g} MiB: '
            f'{SEGMENT_BYTES >> 20} MiB or more are needed for 1080p',
        )
    return Finding('dds', f'{variable}: segment of {segment >> 20} MiB')


def check_shared_memory(folder: str = '/dev/shm') -> Finding:
    """Room for the segments of a few processes."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as problem:
        return fault('memory', f'{folder} cannot be used, so frames go over UDP: {problem}')
    if free < SHARED_MEMORY_BYTES:
        return fault(
            'memory',
            f'{folder} has {free >> 20} MiB free, wanted {SHARED_MEMORY_BYTES >> 20}: remove old '
            'segments (fastdds shm clean) or give a container more (--shm-size)',
        )
    return Finding('memory', f'{folder} has {free >> 20} MiB free')


def check_malloc() -> Finding:
    """glibc must keep freed frames; the node itself sees to it."""
    if keep_large_buffers():
        return Finding('malloc', 'the node tells glibc itself to keep freed frames')
    return fault('malloc', 'not glibc: every frame costs its page faults; expect higher latency')


def _parse(args: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='doctor', description=__doc__.splitlines()[0])
    add = parser.add_argument
    add('--params-file', metavar='FILE', help="the node's parameters (YAML)")
    add('--release', metavar='FILE', help="to run; 'demo' is the one that ships with the package")
    add('--device', help="'cpu', 'cuda' or 'cuda:N'")
    add('--engine', help='torch, onnxruntime, openvino or mnn')
    add('--precision', help='fp32, winograd, fp16, bf16 or int8')
    add('--image-transport', help='raw or compressed')
    add('--image-topic', metavar='TOPIC', help='what the node shall hear as `image`')
    add('--camera-info-topic', metavar='TOPIC', help='and as `camera_info`')
    add('--timeout', type=number('time to wait', 0), default=5.0, metavar='S',
        help='to wait for the cameras (5); 0: do not look')  # fmt: skip
    add('--ros-args', nargs=argparse.REMAINDER, default=[], metavar='...',
        help='to the end of the line, as of the node: -r front/image:=TOPIC')  # fmt: skip
    return parser.parse_args(args)


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of `ros2 run sds_perception doctor`; 1 where there is a fault."""
    faults = 0
    for finding in examine(_parse(args)):
        print(finding, flush=True)
        faults += finding.fault
    print(f'{faults} fault(s)' if faults else 'ready to launch')
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
