"""A drive through the real node: two processes, real DDS, pictures and figures for people.

make demo                    # the demo drive
make demo INPUT=my_drive     # a bag, a video or a folder of pictures
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import torch
from rclpy.node import Node

from sds_perception.engines.choose import quickest_engine
from sds_perception.offline.frames import OfflineError
from sds_perception.release import Release, ReleaseError, named_release
from sds_perception.ros.tool_node import tool_node
from sds_perception.ros.trial.demo_folder import claim_folder
from sds_perception.ros.trial.drive import Drive, as_drive
from sds_perception.ros.trial.recorded import (
    Film,
    contact_sheet,
    kind_of_depth,
    scenes,
    seen,
)
from sds_perception.ros.trial.score import score_against_truth
from sds_perception.ros.trial.vehicle_process import (
    NODE,
    ChildProcess,
    VehicleError,
    active_node,
    wait_until,
)

RECORDED = ('labels', 'depth', 'depth_relative', 'confidence', 'camera_info', 'label_info_json')
SHEET_FRAMES = 6
STREET_SEED = 990_001  # far from the seeds of training
STAGES = ('wait', 'decode', 'prepare', 'network', 'post', 'publish', 'total')


def run_demo(wanted: argparse.Namespace) -> dict[str, Any]:
    """Play, record and look back; the summary, also written to summary.json."""
    output: Path = wanted.output
    claim_folder(output, wanted.input)
    release = named_release(wanted.release)
    given = wanted.input or rendered_street(output, release.input_size)
    drive = as_drive(given, output / 'drive', wanted.camera)
    shutil.rmtree(output / 'result', ignore_errors=True)
    print(f'playing {given} ({drive.frames} frames) into the node on {wanted.device}', flush=True)
    play(drive, wanted)
    draw(drive, output)
    summary = summarise(drive, release, output, wanted.device)
    summary['depth'] = kind_of_depth(output / 'result')
    summary['scores'] = score_against_truth(output / 'result', NODE, drive)
    (output / 'summary.json').write_text(json.dumps(summary, indent=2) + '\n')
    return summary


def rendered_street(output: Path, size: tuple[int, int]) -> Path:
    """A street nobody trained on, (H, W) as given, from the training package's own command."""
    beside = str(Path(sys.executable).parent)
    command = shutil.which('sds-streets', path=os.pathsep.join((beside, os.environ['PATH'])))
    if command is None:
        raise OfflineError(
            'no INPUT was given, and sds-streets, which renders a drive, is not installed: '
            'give a bag, a video or a folder of pictures'
        )
    folder, bag = output / 'street', output / 'street_bag'
    for each in (folder, bag):
        shutil.rmtree(each, ignore_errors=True)
    print(f'rendering a street nobody trained on (seed {STREET_SEED})', flush=True)
    asked = [str(folder), '--snippets', '1', '--seed', str(STREET_SEED), '--bag', str(bag)]
    asked += ['--size', f'{size[1]}x{size[0]}']
    done = subprocess.run([command, *asked], stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise VehicleError(f'sds-streets ended with {done.returncode}')
    return bag


def play(drive: Drive, wanted: argparse.Namespace) -> None:
    """Node, recorder and player, each in its own process; ends when the drive does."""
    output: Path = wanted.output
    told = node_parameters(drive, wanted)
    topics = [f'{NODE}/{name}' for name in RECORDED] + ['/diagnostics']
    recorder = [str(output / 'result'), '--topics', *topics]
    recorder += ['--ros-args', '-p', 'use_sim_time:=true']
    with (
        tool_node('demo', ['demo']) as observer,
        active_node(observer, told, remaps(drive), output / 'node.log'),
        ChildProcess('sds_perception.ros.bags.record', recorder, output / 'record.log'),
    ):
        wait_until(lambda: _heard(observer), 120.0, 'the recorder')
        _replay(drive, wanted, output)


def remaps(drive: Drive) -> dict[str, str]:
    """From the node's topics to those of the drive."""
    found = {'image': drive.image_topic}
    if drive.info_topic:
        found['camera_info'] = drive.info_topic
    if drive.compressed:  # the node looks below the topic of the pictures, whatever its name here
        found[f'{drive.image_topic}/compressed'] = drive.picture_topic
    return found


def node_parameters(drive: Drive, wanted: argparse.Namespace) -> dict[str, Any]:
    """What the node is told, the quickest engine of the device among it."""
    engine, precision = quickest_engine(wanted.device)
    print(f'the node is told to run {engine} {precision}'.rstrip(), flush=True)
    return {
        'release': str(wanted.release),
        'device': wanted.device,
        'engine': engine,
        'precision': precision,
        'image_transport': 'compressed' if drive.compressed else 'raw',
        'camera_height_m': wanted.camera_height,
        'report_file': str(wanted.output / 'node_report.json'),
        'use_sim_time': True,
    }


def _replay(drive: Drive, wanted: argparse.Namespace, output: Path) -> None:
    # The truth stays in the bag: it is compared afterwards, and nobody listens to it.
    arguments = [str(drive.bag), '--clock', '--rate', str(wanted.rate), '--linger', '2']
    arguments += ['--topics', *drive.camera_topics]
    with ChildProcess(
        'sds_perception.ros.bags.replay', arguments, output / 'replay.log'
    ) as player:
        code = player.wait(60.0 + 10.0 * drive.frames)
        if code:
            raise VehicleError(f'the replay ended with {code}: {player.last_words()}')


def _heard(observer: Node) -> bool:
    return all(observer.count_subscribers(f'{NODE}/{name}') for name in ('labels', 'confidence'))


def draw(drive: Drive, output: Path) -> int:
    """Write the film and a contact sheet of frames spread over the drive; the frames seen."""
    stamps = [stamp_ns for stamp_ns, _ in scenes(output / 'result', NODE)]
    if not stamps:
        raise VehicleError(f'the node published nothing; {output / "node.log"} may say why')
    places = {round(i * (len(stamps) - 1) / (SHEET_FRAMES - 1)) for i in range(SHEET_FRAMES)}
    seconds = (stamps[-1] - stamps[0]) / 1e9
    rate_hz = (len(stamps) - 1) / seconds if seconds > 0 else 10.0
    chosen = []
    with closing(Film(output / 'overlay.mp4', rate_hz)) as film:
        for number, (_, (rgb, scene)) in enumerate(seen(output / 'result', NODE, drive)):
            film.add(rgb, scene)
            if number in places:
                chosen.append((rgb.copy(), scene))
    sheet = cv2.cvtColor(contact_sheet(chosen), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(output / 'contact_sheet.png'), sheet)
    return len(stamps)


def summarise(drive: Drive, release: Release, output: Path, device: str) -> dict[str, Any]:
    """What went in, what came out, how long it took, and what it was made with."""
    report = json.loads((output / 'node_report.json').read_text())
    (camera,) = report['cameras'].values()
    counts, latency = camera['counts'], camera['latency_ms']
    return {
        'input': str(drive.bag),
        'note': drive.note,
        'weights': 'trained' if release.trained else 'untrained',
        'release': release.digest[:12],
        'device': device,
        'engine': report['node']['engine'],  # the reference where the one asked for disagrees
        'frames': {
            'in': drive.frames,
            'received': counts.get('received', 0),
            'out': counts.get('processed', 0),
            'dropped': counts.get('dropped', 0),
            'rejected': counts.get('rejected', 0),
        },
        'latency_ms': {stage: latency[stage] for stage in STAGES if stage in latency},
        'scale': camera['scale'],
        'counts': counts,
    }


def print_summary(summary: dict[str, Any], output: Path) -> None:
    """The summary for a person at a terminal."""
    frames = ', '.join(f'{value} {name}' for name, value in summary['frames'].items())
    print(f'\n  drive    {summary["input"]}\n  engine   {summary["engine"]}')
    print(f'  frames   {frames}')
    for stage, each in summary['latency_ms'].items():
        print(f'  {stage:8s} p50 {each["p50"]:8.2f} ms   p95 {each["p95"]:8.2f} ms')
    scale = f' ({summary["scale"]})' if summary['scale'] else ''
    print(f'  depth    {summary["depth"]}{scale}')
    for name, value in summary['scores'].items():
        print(f'  {name}: {value:.3f} against the truth in the bag')
    if summary['note']:
        print(f'  note     {summary["note"]}')
    if summary['weights'] == 'untrained':
        print('  WEIGHTS ARE UNTRAINED: the path is real, what the pictures show means nothing')
    print(f'  look at  {output}/contact_sheet.png, overlay.mp4, result (bag), summary.json')


def _parse(args: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='demo', description=__doc__.splitlines()[0])
    add = parser.add_argument
    add('input', nargs='?', type=Path, help='bag, video or folder; default: a rendered street')
    add('--camera', default='60', help='of pictures or a video: calibration file or degrees (60)')
    add('--output', type=Path, default=Path('out/demo'), help='folder of the results, its own')
    add('--release', type=Path, default='demo', help="release file; default: the shipped 'demo'")
    add('--device', default='cuda' if torch.cuda.is_available() else 'cpu', help='cpu or cuda')
    add('--rate', type=float, default=1.0, help='times real time (1)')
    add('--camera-height', type=float, default=0.0, help='metres over the road; 0 is unknown')
    return parser.parse_args(args)


def main(args: Sequence[str] | None = None) -> int:
    """Entry point of `make demo`; 2 with one sentence where it could not be shown."""
    wanted = _parse(args)
    # Our own corner of the network: a demo must not talk to a robot that happens to be near.
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))
    os.environ.setdefault('ROS_LOG_DIR', tempfile.gettempdir())
    try:
        print_summary(run_demo(wanted), wanted.output)
    except (OfflineError, ReleaseError, VehicleError) as problem:
        print(f'demo: {problem}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
