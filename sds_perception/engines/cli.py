"""Build an engine for a release ahead of time, and check that it says what the reference says.

sds-engine build model.safetensors --engine onnxruntime --device cuda --provider tensorrt
sds-engine build model.safetensors --precision int8 --calibrate drive.mcap
sds-engine check model.safetensors --frames pictures/
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sds_perception.engines import EngineError
from sds_perception.engines.choose import build_engine, require_int8, require_size
from sds_perception.engines.export import GraphShape
from sds_perception.engines.options import add_engine_options, engine_asked_for, option_in_vain
from sds_perception.engines.parity import ParityReport, frames_for, measure_parity
from sds_perception.engines.quantise import METHODS, calibrate
from sds_perception.offline.frames import OfflineError
from sds_perception.offline.samples import add_sample_options, user_frames
from sds_perception.offline.sources import is_bag
from sds_perception.release import Release, ReleaseError, named_release

PARITY_FRAMES = 8  # of the user's frames, when given
CALIBRATION_FRAMES = 64


def main(args: Sequence[str] | None = None) -> int:
    """0 built and agreeing, 1 the engine disagrees, 2 refused."""
    parser = _parser()
    wanted = parser.parse_args(args)
    if in_vain := _said_in_vain(wanted):
        parser.error(in_vain)
    logging.basicConfig(level=logging.WARNING, format='%(message)s')
    logging.getLogger('sds_perception').setLevel(logging.INFO)
    try:
        report = wanted.run(wanted, named_release(wanted.release))
    except (EngineError, OfflineError, ReleaseError, OSError) as problem:
        print(f'sds-engine: {problem}', file=sys.stderr)
        return 2
    print(report)
    return 0 if report.passed else 1


def build(wanted: argparse.Namespace, release: Release) -> ParityReport:
    """Fill the cache with everything the engine needs, then check it."""
    if (wanted.calibrate is None) == (wanted.precision == 'int8'):
        raise EngineError('--calibrate FRAMES and --precision int8 go together')
    if wanted.calibrate is None:
        return check(wanted, release)
    require_int8(wanted.engine, wanted.device, wanted.provider)
    size = wanted.input_size or release.input_size
    require_size(release, size)
    compared = _frames(wanted, release, size)  # before the minutes that follow
    provider = wanted.provider or wanted.device
    frames = _frames_of(wanted.calibrate, wanted, release, size, CALIBRATION_FRAMES)
    method = wanted.method or METHODS[0]
    shape = GraphShape(size, wanted.detail)
    calibrate(release, shape, frames, wanted.cache, method, provider)
    return _checked(wanted, release, compared)


def check(wanted: argparse.Namespace, release: Release) -> ParityReport:
    """Build from the cache where possible and compare with the reference."""
    compared = _frames(wanted, release, wanted.input_size or release.input_size)
    return _checked(wanted, release, compared)


def _checked(
    wanted: argparse.Namespace, release: Release, frames: NDArray[np.uint8] | None
) -> ParityReport:
    engine = build_engine(release, device=wanted.device, **engine_asked_for(wanted))
    return measure_parity(engine, release, frames_for(engine) if frames is None else frames)


def _frames(
    wanted: argparse.Namespace, release: Release, size: tuple[int, int]
) -> NDArray[np.uint8] | None:
    """The user's own to compare on, where there are any."""
    path = wanted.frames or wanted.calibrate
    return _frames_of(path, wanted, release, size, PARITY_FRAMES) if path else None


def _frames_of(
    path: Path, wanted: argparse.Namespace, release: Release, size: tuple[int, int], count: int
) -> NDArray[np.uint8]:
    """As the vehicle's network sees them, with the lens it has there."""
    seen = {'camera': wanted.camera, 'lens': wanted.lens, 'brightness': release.brightness}
    return user_frames(path, size, count, wanted.topic, **seen)


def _said_in_vain(wanted: argparse.Namespace) -> str:
    """The option that could do nothing beside the others, in a sentence; '' where all count."""
    if in_vain := option_in_vain(wanted):
        return in_vain
    if wanted.method and not wanted.calibrate:
        return '--method is for --calibrate FRAMES, which is not given'
    given = [path for path in (wanted.frames, wanted.calibrate) if path]
    if wanted.topic and not any(map(is_bag, given)):
        return '--topic is for a bag, and neither --frames nor --calibrate names one'
    if wanted.lens != 'raw' and not given:
        return '--lens is for pictures, and neither --frames nor --calibrate names any'
    if wanted.camera and wanted.lens == 'raw':
        return '--camera is for --lens rectify: a raw picture is taken as it is'
    return ''


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='sds-engine',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    building = commands.add_parser('build', help='build into the cache and check')
    building.add_argument(
        '--calibrate', type=Path, metavar='FRAMES', help='folder, video or bag for the int8 ranges'
    )
    building.add_argument(
        '--method', choices=METHODS, help='how int8 ranges are found (default: percentile)'
    )
    checking = commands.add_parser('check', help='compare with the float32 reference')
    checking.set_defaults(calibrate=None, method=None)
    for command, run in ((building, build), (checking, check)):
        command.set_defaults(run=run)
        _add_engine(command)
    return parser


def _add_engine(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add('release', type=Path, help=".safetensors file, or 'demo', the shipped one")
    add_engine_options(command, engine='onnxruntime')
    add(
        '--frames',
        type=Path,
        help='folder, video or bag to compare on (default: some of the calibration, or synthetic '
        'streets)',
    )
    add_sample_options(command)


if __name__ == '__main__':
    sys.exit(main())
