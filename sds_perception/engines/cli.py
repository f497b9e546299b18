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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sds_perception.engines import ENGINES, Engine, EngineError
from sds_perception.engines.calibration import METHODS, calibrate
from sds_perception.engines.choose import build_engine
from sds_perception.engines.export import GraphShape
from sds_perception.engines.onnx_session import PROVIDERS
from sds_perception.engines.parity import LIMITS, ParityReport, frames_for, measure_parity
from sds_perception.engines.reference_frames import user_frames
from sds_perception.release import Release, ReleaseError, read_release

PARITY_FRAMES = 8  # of the user's frames, when given
CALIBRATION_FRAMES = 64


def main(args: Sequence[str] | None = None) -> int:
    """0 built and agreeing, 1 the engine disagrees with the reference, 2 refused."""
    wanted = _parser().parse_args(args)
    logging.basicConfig(level=logging.WARNING, format='%(message)s')
    logging.getLogger('sds_perception').setLevel(logging.INFO)
    try:
        report = wanted.run(wanted, read_release(wanted.release))
    except (EngineError, ReleaseError) as problem:
        print(f'sds-engine: {problem}', file=sys.stderr)
        return 2
    print(report)
    return 0 if report.passed else 1


def build(wanted: argparse.Namespace, release: Release) -> ParityReport:
    """Fill the cache with everything the engine needs, then check it."""
    if (wanted.calibrate is None) == (wanted.precision == 'int8'):
        raise EngineError('--calibrate FRAMES and --precision int8 go together')
    if wanted.calibrate is not None:
        if wanted.engine == 'torch':
            raise EngineError('int8 is for engine onnxruntime or openvino, not torch')
        size = wanted.input_size or release.input_size
        on_cpu = (wanted.provider or wanted.device) == 'cpu'
        shape = GraphShape(size, wanted.detail, for_cpu=on_cpu)
        frames = user_frames(wanted.calibrate, size, CALIBRATION_FRAMES)
        calibrate(release, shape, frames, wanted.cache, wanted.method)
    return check(wanted, release)


def check(wanted: argparse.Namespace, release: Release) -> ParityReport:
    """Build from the cache where possible and compare with the reference."""
    options: dict[str, Any] = {'precision': wanted.precision}
    if wanted.engine != 'torch':
        options['cache'] = wanted.cache
    if wanted.engine == 'onnxruntime':
        options['provider'] = wanted.provider
    engine = build_engine(
        release,
        wanted.engine,
        wanted.device,
        input_size=wanted.input_size,
        detail=wanted.detail,
        **options,
    )
    return measure_parity(engine, release, _frames(wanted, engine))


def _frames(wanted: argparse.Namespace, engine: Engine) -> NDArray[np.uint8]:
    path = wanted.frames or getattr(wanted, 'calibrate', None)
    if path:
        return user_frames(path, engine.input_size, PARITY_FRAMES)
    return frames_for(engine)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='sds-engine',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    building = commands.add_parser('build', help='build into the cache and check')
    building.add_argument('--calibrate', type=Path, help='folder, video or bag for int8 ranges')
    building.add_argument('--method', choices=METHODS, default='minmax', help='of the ranges')
    checking = commands.add_parser('check', help='compare with the float32 reference')
    for command, run in ((building, build), (checking, check)):
        command.set_defaults(run=run)
        _add_engine(command)
    return parser


def _add_engine(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add('release', type=Path, help='.safetensors file')
    add('--engine', choices=ENGINES, default='onnxruntime')
    add('--device', default='cpu', help='cpu, cuda or cuda:N (cpu)')
    add('--provider', choices=tuple(PROVIDERS), help='of onnxruntime (the one of the device)')
    add('--precision', choices=tuple(LIMITS), help="the provider's own where left out")
    add('--input-size', type=_size, metavar='HxW', help="the release's own where left out")
    add('--detail', choices=('fast', 'fine'), default='fast')
    add('--cache', type=Path, help='folder of built engines (the user cache)')
    add(
        '--frames',
        type=Path,
        help='folder, video or bag to compare on (those of the calibration, or synthetic streets)',
    )


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition('x')
    if not (height.isdecimal() and width.isdecimal()):
        raise argparse.ArgumentTypeError(f'{text!r} is no size, wanted HxW such as 512x1024')
    return int(height), int(width)


if __name__ == '__main__':
    sys.exit(main())
