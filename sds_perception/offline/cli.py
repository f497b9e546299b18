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

from sds_perception.engines import ENGINES, PRECISIONS
from sds_perception.input_size import input_size


def _metres(text: str) -> float:
    try:
        metres = float(text)
    except ValueError:
        metres = -1.0
    if not metres >= 0:  # NaN is refused as well
        raise argparse.ArgumentTypeError(f'{text!r} is no distance, wanted 0 or more metres')
    return metres


def parser() -> argparse.ArgumentParser:
    """The command line."""
    about = argparse.RawDescriptionHelpFormatter
    made = argparse.ArgumentParser('sds-perceive', description=__doc__, formatter_class=about)
    add = made.add_argument
    add('input', type=Path, help='picture, folder of them (and of folders), video, or ROS 2 bag')
    add('--output', type=Path, required=True, help='folder or bag to make; must not exist yet')
    add('--write', choices=('auto', 'files', 'bag'), default='auto', help='bag for a bag (auto)')
    weights = made.add_mutually_exclusive_group()
    weights.add_argument('--release', type=Path, help='weights (those shipped with the package)')
    weights.add_argument('--untrained', choices=('vehicle', 'tiny'), help='use random weights')
    add('--device', help='cpu or cuda (cuda where there is one)')
    add('--engine', choices=ENGINES, default='torch', help='how to run it (torch)')
    add('--precision', choices=PRECISIONS, help="of the network (the engine's own)")
    add('--detail', choices=('fast', 'fine'), default='fast', help='of label boundaries (fast)')
    add('--input-size', type=input_size, metavar='HxW', help="of the network (the release's own)")
    add('--camera', metavar='FILE|DEGREES', help='calibration file, or horizontal field of view')
    add('--topic', help='of the pictures, where a bag has several')
    add('--rectify', action='store_true', help="take the lens out by the bag's CameraInfo")
    add('--scale', default='release', help='release, height:METRES, fixed:FACTOR, none; or a list')
    help_far = 'metres beyond are unknown, 0 for no limit (80)'
    add('--max-depth', type=_metres, default=80.0, metavar='M', help=help_far)
    add('--hood-mask', type=Path, metavar='PICTURE', help='non-zero where the vehicle sees itself')
    add('--depth-png', action='store_true', help='metric depth as 16-bit millimetres')
    add('--no-pictures', dest='pictures', action='store_false', help='no overlay, no side-by-side')
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; 0 done, 2 refused in one sentence, 130 stopped by Ctrl-C."""
    wanted = parser().parse_args(arguments)
    try:
        # torch takes seconds to import: not before the command line is known to be right
        from sds_perception.offline.command import run_or_refuse

        return run_or_refuse(wanted)
    except KeyboardInterrupt:
        print('sds-perceive: stopped', file=sys.stderr)
        return 130


if __name__ == '__main__':
    sys.exit(main())
