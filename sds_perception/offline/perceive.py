"""From the words of the command line to a run: source, release, scale, sink, every frame."""

from __future__ import annotations

import argparse
import sys

import torch

from sds_perception.camera import CameraError
from sds_perception.ego_hood import HoodMask
from sds_perception.engines import EngineError
from sds_perception.engines.options import engine_asked_for, option_in_vain
from sds_perception.metric_scale import (
    CameraHeightScale,
    FirstKnown,
    FixedScale,
    MetricScale,
    ReleaseScale,
)
from sds_perception.network import NETWORKS
from sds_perception.offline.frames import OfflineError, Source
from sds_perception.offline.origin import origin_of
from sds_perception.offline.run import perceive_all, printed
from sds_perception.offline.sinks import BagSink, FileSink
from sds_perception.offline.sources import is_bag, open_source, require_rosbags
from sds_perception.perceiver import Perceiver
from sds_perception.release import (
    Release,
    ReleaseError,
    named_release,
    untrained_release,
)

PROBLEMS = (OfflineError, ReleaseError, EngineError, CameraError, OSError)
NO_MEMORY = ("can't allocate memory", 'not enough memory', 'out of memory')  # in words of torch
UNTRAINED_SIZE = (256, 512)


def run_or_refuse(wanted: argparse.Namespace) -> int:
    """Do what the command line asks: 0 done, 1 without some frames, 130 stopped, 2 refused."""
    try:
        return run(wanted)
    except PROBLEMS as problem:
        print(f'sds-perceive: {problem}', file=sys.stderr)
    except (MemoryError, RuntimeError) as problem:
        if not (isinstance(problem, MemoryError) or any(s in str(problem) for s in NO_MEMORY)):
            raise
        size = '{1}x{0}'.format(*wanted.input_size) if wanted.input_size else "the release's own"
        print(
            f'sds-perceive: there is not enough memory for the input size, which is {size}: '
            'wanted a smaller one with --input-size',
            file=sys.stderr,
        )
    return 2


def run(wanted: argparse.Namespace) -> int:
    """Do what the command line asks; raises one of `PROBLEMS` where it cannot be done."""
    scale = scale_named(wanted.scale)
    source = open_source(wanted.input, camera=wanted.camera, topic=wanted.topic, lens=wanted.lens)
    refuse_in_vain(wanted, source)
    sink = open_sink(wanted)
    hood = HoodMask(wanted.hood_mask) if wanted.hood_mask else None
    release = chosen_release(wanted)
    device = wanted.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    perceiver = Perceiver.from_release(release, device=device, **engine_asked_for(wanted))
    printed(note for note in (_about(release, device), source.note) if note)
    sink.origin = origin_of(wanted, release, perceiver.engine)
    with sink:
        tally = perceive_all(source, perceiver, scale, sink, wanted.max_depth, hood)
        sink.left_out(tally.skipped)
    printed([*tally.lines(), *sink.report()])
    if tally.stopped:
        return 130
    if not tally.done:
        raise OfflineError(f'no frame of {wanted.input} could be used')
    return 1 if tally.skipped else 0


def makes_bag(wanted: argparse.Namespace) -> bool:
    """Whether a bag is written: for a bag, unless told otherwise."""
    return wanted.write == 'bag' or (wanted.write == 'auto' and is_bag(wanted.input))


def refuse_in_vain(wanted: argparse.Namespace, source: Source) -> None:
    """Refuse options that could do nothing for this input and output."""
    if 'height:' in wanted.scale and not source.has_camera:
        raise OfflineError(
            f'--scale {wanted.scale} measures in pixels of a known camera, and {wanted.input} '
            'brings none: give it with --camera'
        )
    if wanted.lens != 'raw' and not source.has_camera:
        raise OfflineError(
            f'--lens {wanted.lens} reads the calibration of a camera, and {wanted.input} brings '
            'none: give it with --camera'
        )
    if in_vain := option_in_vain(wanted):
        raise OfflineError(in_vain)
    if makes_bag(wanted) and (wanted.depth_png or not wanted.pictures):
        raise OfflineError(
            '--depth-png and --no-pictures are for files, and a bag is written: add --write files'
        )


def open_sink(wanted: argparse.Namespace) -> FileSink | BagSink:
    """A bag of the input's storage, or files."""
    if makes_bag(wanted):
        require_rosbags(wanted.output)
        # One that is compressed as a whole ends in .db3.zstd.
        is_db3 = wanted.input.suffix == '.db3' or any(wanted.input.glob('*.db3*'))
        return BagSink(wanted.output, 'sqlite3' if is_db3 else 'mcap')
    return FileSink(wanted.output, pictures=wanted.pictures, depth_png=wanted.depth_png)


def chosen_release(wanted: argparse.Namespace) -> Release:
    """The release named, or random weights if asked for."""
    if wanted.untrained:
        return untrained_release(NETWORKS[wanted.untrained], UNTRAINED_SIZE)
    return named_release(wanted.release)


def scale_named(text: str) -> FirstKnown:
    """Read 'release', 'height:METRES', 'fixed:FACTOR' or 'none', or several with commas.

    'none' ends the list, as in the node.
    """
    scales: list[MetricScale] = []
    for scale in [_scale(word) for word in text.split(',')]:  # behind 'none' they are read, too
        if scale is None:
            break
        scales.append(scale)
    return FirstKnown(scales)


def _scale(word: str) -> MetricScale | None:
    """What one word of --scale names; None for 'none'."""
    name, _, value = word.strip().partition(':')
    try:
        if name == 'release' and not value:
            return ReleaseScale()
        if name == 'height':
            return CameraHeightScale(float(value))
        if name == 'fixed':
            return FixedScale(float(value))
        if name == 'none' and not value:
            return None
        raise ValueError('wanted release, height:METRES, fixed:FACTOR or none')
    except ValueError as problem:
        raise OfflineError(f"--scale '{word}': {problem}") from problem


def _about(release: Release, device: str) -> str:
    if release.trained:
        return f'release {release.digest[:12]}, {release.depth_kind} depth, on {device}'
    return f'on {device}; the weights are UNTRAINED: this shows the tool, not the method'
