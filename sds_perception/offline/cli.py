"""sds-perceive: semantics and depth of a picture, a folder, a video or a ROS 2 bag.

    sds-perceive street.jpg --output seen --camera 60
    sds-perceive drive.mcap --output seen_drive --scale height:1.65

A bag gives a bag with five of the node's topics, labels, label_info_json, depth (or
depth_relative), confidence and camera_info, under the original stamps and frame ids; anything else
gives files. Metres need the focal length, which pictures and videos do not bring: give --camera.
The same input, release and options give the same bytes; their digest is printed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sds_perception.argument_types import number
from sds_perception.calibration import INTERPRETATIONS
from sds_perception.engines.options import add_engine_options

HELP_CAMERA = (
    'calibration file, or horizontal field of view in degrees; without it pictures and videos '
    'have depth without unit, unless --scale fixed:FACTOR gives one'
)
HELP_LENS = (
    'pictures are raw and stay so, raw to rectify here, or rectified already (image_rect) '
    '(default: raw)'
)
HELP_SCALE = (
    'where metres come from, the first that knows of release, height:METRES, fixed:FACTOR; '
    'several with commas, of which none ends the list (default: release)'
)
HELP_FAR = 'metres beyond are unknown, 0 for no limit (default: 80)'


def parser() -> argparse.ArgumentParser:
    """The command line."""
    about = argparse.RawDescriptionHelpFormatter
    made = argparse.ArgumentParser('sds-perceive', description=__doc__, formatter_class=about)
    add = made.add_argument
    add('input', type=Path, help='picture, folder of them (and of folders), video, or ROS 2 bag')
    add('--output', type=Path, required=True, help='folder or bag to make; must not exist yet')
    add(
        '--write',
        choices=('auto', 'files', 'bag'),
        default='auto',
        help='what to write (default: auto, a bag for a bag)',
    )
    weights = made.add_mutually_exclusive_group()
    weights.add_argument(
        '--release', type=Path, default='demo', help='file (default: demo, the shipped one)'
    )
    weights.add_argument(
        '--untrained',
        choices=('vehicle', 'tiny'),
        help='random weights of this network, to try the tool',
    )
    add_engine_options(made, device=None)
    add('--camera', metavar='FILE|DEGREES', help=HELP_CAMERA)
    add('--topic', help='topic of the pictures, where a bag has several')
    add('--lens', choices=tuple(INTERPRETATIONS), default='raw', help=HELP_LENS)
    add('--scale', default='release', help=HELP_SCALE)
    far = number('distance in metres', 0)
    add('--max-depth', type=far, default=80.0, metavar='M', help=HELP_FAR)
    add('--hood-mask', type=Path, metavar='PICTURE', help='non-zero where the vehicle sees itself')
    add('--depth-png', action='store_true', help='metric depth as 16-bit millimetres')
    add('--no-pictures', dest='pictures', action='store_false', help='no overlay, no side-by-side')
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; 0 done, 2 refused in one sentence, 130 stopped by Ctrl-C or SIGTERM."""
    wanted = parser().parse_args(arguments)
    # torch takes seconds to import: not before the command line is known to be right
    from sds_perception.offline.perceive import run_or_refuse

    return run_or_refuse(wanted)


if __name__ == '__main__':
    sys.exit(main())
