"""A folder of pictures (or a video) as the bag its camera would have recorded.

python -m sds_perception.offline.make_bag FOLDER --camera FILE --rate 10 --output BAG
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from sds_perception.argument_types import number
from sds_perception.calibration import INTERPRETATIONS
from sds_perception.offline.bag_writer import STORAGES, write_bag
from sds_perception.offline.camera_choice import CameraChoice
from sds_perception.offline.frames import OfflineError, without_holes
from sds_perception.offline.pictures import open_pictures


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; 2 where the pictures or the camera cannot be used."""
    wanted = _parse(arguments)
    try:
        choice = CameraChoice(wanted.camera, wanted.lens)
        source = open_pictures(wanted.input, choice, wanted.rate)
        bag = write_bag(
            wanted.output,
            without_holes(source),
            topic=wanted.topic,
            storage=wanted.storage,
            compressed=wanted.compressed,
        )
    except OfflineError as problem:
        print(f'make_bag: {problem}', file=sys.stderr)
        return 2
    print(f'{wanted.output}: {", ".join(f"{n} on {t}" for t, n in bag.counts.items())}')
    print(f'digest {bag.digest}')
    return 0


def _topic(text: str) -> str:
    if not re.fullmatch(r'(/[A-Za-z_]\w*)+', text, re.ASCII):
        raise argparse.ArgumentTypeError(
            f'{text!r} is no topic, wanted names of letters, digits and _ as in /camera/image_raw'
        )
    return text


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    made = argparse.ArgumentParser('make_bag', description=__doc__.splitlines()[0])
    add = made.add_argument
    add(
        'input',
        type=Path,
        help='folder of pictures in the order of their names (2 before 10), or a video',
    )
    add('--camera', required=True, metavar='FILE|DEGREES', help='calibration or field of view')
    add('--lens', choices=tuple(INTERPRETATIONS), default='raw', help='as for sds-perceive (raw)')
    rate = number('rate in Hz', 0, above=True)
    add('--rate', type=rate, default=10.0, metavar='HZ', help='of the pictures in a folder (10)')
    add('--output', type=Path, required=True, help='bag to make; must not exist yet')
    add(
        '--topic',
        type=_topic,
        default='/camera/image_raw',
        help='of the pictures (/camera/image_raw)',
    )
    add('--storage', choices=tuple(STORAGES), default='mcap')
    add('--compressed', action='store_true', help='as JPEG on TOPIC/compressed')
    return made.parse_args(arguments)


if __name__ == '__main__':
    sys.exit(main())
