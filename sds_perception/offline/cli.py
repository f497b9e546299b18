"""sds-perceive: semantics and depth of a picture, a folder, a video or a ROS 2 bag.

    sds-perceive street.jpg --output seen
    sds-perceive drive.mcap --output seen_drive --scale height:1.65

A bag gives a bag with the node's topics, the original stamps and frame ids; anything else gives
files. The same input, release and options give the same bytes; their digest is printed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from sds_perception.camera import CameraError
from sds_perception.engines import EngineError
from sds_perception.metric_scale import (
    CameraHeightScale,
    FirstKnown,
    FixedScale,
    MetricScale,
    ReleaseScale,
)
from sds_perception.network import NETWORKS
from sds_perception.offline.bag_source import BagSource
from sds_perception.offline.camera_choice import CameraChoice
from sds_perception.offline.frames import OfflineError, Source
from sds_perception.offline.pictures import PICTURE_SUFFIXES, PictureFiles, Video
from sds_perception.offline.run import perceive_all, printed
from sds_perception.offline.sinks import BagSink, FileSink
from sds_perception.perceiver import Perceiver
from sds_perception.release import (
    Release,
    ReleaseError,
    default_release,
    read_release,
    untrained_release,
)

PROBLEMS = (OfflineError, ReleaseError, EngineError, CameraError)
BAG_SUFFIXES = ('.mcap', '.db3')
UNTRAINED_SIZE = (256, 512)


def run(wanted: argparse.Namespace) -> int:
    """Do what the command line asks; 2 where no frame could be used, 130 after Ctrl-C."""
    scale = scale_named(wanted.scale)
    source = open_source(wanted)
    release = chosen_release(wanted)
    perceiver = Perceiver.from_release(
        release,
        device=wanted.device,
        engine=wanted.engine,
        detail=wanted.detail,
        input_size=wanted.input_size,
    )
    printed(note for note in (_about(release), source.note) if note)
    with open_sink(wanted, isinstance(source, BagSource)) as sink:
        tally = perceive_all(source, perceiver, scale, sink, wanted.max_depth)
    printed([*tally.lines(), *sink.report()])
    if tally.stopped:
        return 130
    if not tally.done:
        raise OfflineError(f'no frame of {wanted.input} could be used')
    return 0


def open_source(wanted: argparse.Namespace) -> Source:
    """The frames of what INPUT turns out to be."""
    path: Path = wanted.input
    choice = CameraChoice(wanted.camera) if wanted.camera else None
    if not path.exists():
        raise OfflineError(f'{path} does not exist')
    if path.suffix in BAG_SUFFIXES or (path / 'metadata.yaml').exists():
        return BagSource(path, wanted.topic, choice, rectify=wanted.rectify)
    if wanted.topic or wanted.rectify:
        raise OfflineError(f'--topic and --rectify are for bags, and {path} is none')
    if path.is_dir() or path.suffix.lower() in PICTURE_SUFFIXES:
        return PictureFiles(path, choice)
    return Video(path, choice)


def open_sink(wanted: argparse.Namespace, from_bag: bool) -> FileSink | BagSink:
    """A bag of the input's storage for a bag, files for the rest, unless told otherwise."""
    kind = wanted.write
    if kind == 'auto':
        kind = 'bag' if from_bag else 'files'
    if kind == 'bag':
        is_db3 = wanted.input.suffix == '.db3' or any(wanted.input.glob('*.db3'))
        return BagSink(wanted.output, 'db3' if is_db3 else 'mcap')
    return FileSink(wanted.output, pictures=wanted.pictures, depth_png=wanted.depth_png)


def chosen_release(wanted: argparse.Namespace) -> Release:
    """The release named, random weights if asked for, else the one that came with the package."""
    if wanted.untrained:
        return untrained_release(NETWORKS[wanted.untrained], UNTRAINED_SIZE)
    path = wanted.release or default_release()
    if path is None:
        raise ReleaseError(
            'no release came with this package: name one with --release, or try the tool with '
            '--untrained tiny'
        )
    return read_release(path)


def scale_named(text: str) -> FirstKnown:
    """Read 'release', 'height:METRES', 'fixed:FACTOR' or 'none', or several with commas."""
    scales: list[MetricScale] = []
    for word in text.split(','):
        name, _, value = word.strip().partition(':')
        try:
            if name == 'release' and not value:
                scales.append(ReleaseScale())
            elif name == 'height':
                scales.append(CameraHeightScale(float(value)))
            elif name == 'fixed':
                scales.append(FixedScale(float(value)))
            elif name != 'none' or value:
                raise ValueError('wanted release, height:METRES, fixed:FACTOR or none')
        except ValueError as problem:
            raise OfflineError(f"--scale '{word}': {problem}") from problem
    return FirstKnown(scales)


def _about(release: Release) -> str:
    if release.trained:
        return f'release {release.digest[:12]}, {release.depth_kind} depth'
    return 'these weights are UNTRAINED: the pictures show the tool, not the method'


def _size(text: str) -> tuple[int, int]:
    try:
        height, width = (int(side) for side in text.lower().split('x'))
    except ValueError as problem:
        raise argparse.ArgumentTypeError(f"wanted HEIGHTxWIDTH, got '{text}'") from problem
    return height, width


def parser() -> argparse.ArgumentParser:
    """The command line."""
    about = argparse.RawDescriptionHelpFormatter
    made = argparse.ArgumentParser('sds-perceive', description=__doc__, formatter_class=about)
    add = made.add_argument
    add('input', type=Path, help='picture, folder of pictures, video, or ROS 2 bag (db3, mcap)')
    add('--output', type=Path, required=True, help='folder or bag to make; must not exist yet')
    add('--write', choices=('auto', 'files', 'bag'), default='auto', help='bag for a bag (auto)')
    weights = made.add_mutually_exclusive_group()
    weights.add_argument('--release', type=Path, help='weights (those shipped with the package)')
    weights.add_argument('--untrained', choices=('vehicle', 'tiny'), help='use random weights')
    add('--device', default='cuda' if torch.cuda.is_available() else 'cpu', help='cpu or cuda')
    add('--engine', choices=('torch', 'onnxruntime'), default='torch', help='how to run it')
    add('--detail', choices=('fast', 'fine'), default='fast', help='of label boundaries (fast)')
    add('--input-size', type=_size, metavar='HxW', help="of the network (the release's own)")
    add('--camera', metavar='FILE|DEGREES', help='calibration file, or horizontal field of view')
    add('--topic', help='of the pictures, where a bag has several')
    add('--rectify', action='store_true', help="take the lens out by the bag's CameraInfo")
    add('--scale', default='release', help='release, height:METRES, fixed:FACTOR, none; or a list')
    add(
        '--max-depth', type=float, default=80.0, metavar='M', help='metres beyond are unknown (80)'
    )
    add('--depth-png', action='store_true', help='metric depth as 16-bit millimetres')
    add('--no-pictures', dest='pictures', action='store_false', help='no overlay, no side-by-side')
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; 0 done, 2 refused in one sentence, 130 stopped by Ctrl-C."""
    wanted = parser().parse_args(arguments)
    try:
        return run(wanted)
    except PROBLEMS as problem:
        print(f'sds-perceive: {problem}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('sds-perceive: stopped before the first frame; nothing was written', file=sys.stderr)
        return 130


if __name__ == '__main__':
    sys.exit(main())
