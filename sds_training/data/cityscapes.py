"""Which files of a Cityscapes-shaped folder belong together; reads names, never pixels.

A file is `<folder>/<split>/<city>/<city>_<sequence>_<frame><suffix>`. Everything but pictures is
optional, and the sequence archive may be there in part: what is missing is simply not listed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

TRAIN = 'train'  # the only split that anything is learnt from
PICTURE_SUFFIXES = ('.png', '.jpg', '.jpeg')
LABELLED_POSITION = 19  # Cityscapes labels the twentieth of the thirty frames of a snippet
_NAME = re.compile(r'(?P<city>.+)_(?P<sequence>[^_]+)_(?P<number>\d+)')


class DataError(ValueError):
    """A data folder that cannot be used as asked; the message says what to do about it."""


class Kind(NamedTuple):
    """One sort of file: its top folder and how its name ends after the frame's own name."""

    folder: str
    ending: str
    suffixes: tuple[str, ...]


KINDS: dict[str, Kind] = {
    'images': Kind('leftImg8bit', '_leftImg8bit', PICTURE_SUFFIXES),
    'sequence': Kind('leftImg8bit_sequence', '_leftImg8bit', PICTURE_SUFFIXES),
    'labels': Kind('gtFine', '_gtFine_labelIds', ('.png',)),
    'cameras': Kind('camera', '_camera', ('.json',)),
    'disparities': Kind('disparity', '_disparity', ('.png',)),
    'vehicles': Kind('vehicle_sequence', '_vehicle', ('.json',)),
    'depths': Kind('depth', '_depth', ('.npy',)),
}


@dataclass(frozen=True)
class Layout:
    """The files of one split by frame name, e.g. 'aachen_000000_000019'."""

    root: Path
    split: str
    images: Mapping[str, Path]
    sequence: Mapping[str, Path]
    labels: Mapping[str, Path]
    cameras: Mapping[str, Path]
    disparities: Mapping[str, Path]
    vehicles: Mapping[str, Path]
    depths: Mapping[str, Path]

    def picture(self, name: str) -> Path | None:
        """The frame's picture; leftImg8bit is preferred to the same frame of the sequence."""
        return self.images.get(name) or self.sequence.get(name)

    def neighbours(self, name: str, gap: int) -> tuple[Path, Path] | None:
        """The pictures `gap` frames earlier and later, or None unless both are there."""
        earlier, later = (self.picture(shifted(name, by)) for by in (-gap, gap))
        return (earlier, later) if earlier and later else None

    def camera(self, name: str) -> Path | None:
        """The camera file of the frame, else the nearest of its sequence, else of its city."""
        if name in self.cameras:
            return self.cameras[name]
        number = number_of(name)
        of_sequence = self._cameras_by_group.get(sequence_of(name))
        if of_sequence:
            return min(of_sequence, key=lambda entry: (abs(entry[0] - number), entry[0]))[1]
        of_city = self._cameras_by_group.get(city_of(name))
        return of_city[0][1] if of_city else None

    @cached_property
    def _cameras_by_group(self) -> dict[str, list[tuple[int, Path]]]:
        """Camera files as (frame number, path), by sequence and again by city."""
        groups: dict[str, list[tuple[int, Path]]] = {}
        for name in sorted(self.cameras):
            for group in (sequence_of(name), city_of(name)):
                groups.setdefault(group, []).append((number_of(name), self.cameras[name]))
        return groups

    def snippet_frames(self, positions: tuple[int, ...] | str) -> list[str]:
        """Names of the frames at `positions` of their snippet, sorted; they may not be there.

        Position 19 is the frame with a camera file or a picture in leftImg8bit; where a sequence
        has neither, its first frame is position 0. 'all' takes every frame of the sequences.
        """
        if positions == 'all':
            return sorted(self.sequence)
        return sorted(
            {
                shifted(anchor, position - LABELLED_POSITION)
                for anchor in self._anchors()
                for position in positions
                if isinstance(position, int)
            }
        )

    def _anchors(self) -> list[str]:
        """One frame name per snippet, standing at the labelled position."""
        anchors = sorted({*self.cameras, *self.images})
        anchored = {sequence_of(name) for name in anchors}
        first: dict[str, str] = {}
        for name in sorted(self.sequence, key=lambda each: (sequence_of(each), number_of(each))):
            first.setdefault(sequence_of(name), name)
        lone = [name for group, name in first.items() if group not in anchored]
        return anchors + [shifted(name, LABELLED_POSITION) for name in lone]


def scan(root: str | Path, split: str) -> Layout:
    """List the files of one split ('train', 'val', ...); refuses a folder without pictures."""
    root = Path(root)
    layout = Layout(root, split, **{key: _files(root, split, kind) for key, kind in KINDS.items()})
    if not layout.images and not layout.sequence:
        raise DataError(
            f'no pictures of the split {split!r} in {root}: expected '
            f'leftImg8bit/{split}/<city>/<city>_<sequence>_<frame>_leftImg8bit.png (or .jpg), '
            'or the same under leftImg8bit_sequence; sds-prepare --check-only says more'
        )
    return layout


def _files(root: Path, split: str, kind: Kind) -> dict[str, Path]:
    """Files of one kind by frame name; of several suffixes the first of the kind's list wins."""
    found: dict[str, Path] = {}
    for suffix in reversed(kind.suffixes):
        ending = kind.ending + suffix
        for path in (root / kind.folder / split).glob(f'*/*{ending}'):
            name = path.name[: -len(ending)]
            if not _NAME.fullmatch(name):
                continue
            other = found.setdefault(name, path)
            if other.parent != path.parent:  # files are matched by name: one would be lost
                first, second = sorted((other, path))
                raise DataError(
                    f'{first} and {second} are of one name, wanted one frame of it in a split: '
                    'begin names with the name of their folder'
                )
            found[name] = path
    return dict(sorted(found.items()))


def city_of(name: str) -> str:
    """The city of a frame name: 'aachen' of 'aachen_000000_000019'."""
    return sequence_of(name).rsplit('_', 1)[0]


def sequence_of(name: str) -> str:
    """City and sequence of a frame name: 'aachen_000000' of 'aachen_000000_000019'."""
    return name.rsplit('_', 1)[0]


def number_of(name: str) -> int:
    """The frame number of a frame name: 19 of 'aachen_000000_000019'."""
    return int(name.rsplit('_', 1)[1])


def shifted(name: str, by: int) -> str:
    """The name of the frame `by` frames later in the same sequence."""
    digits = name.rsplit('_', 1)[1]
    return f'{sequence_of(name)}_{int(digits) + by:0{len(digits)}d}'


def digest_of(names: list[str] | tuple[str, ...]) -> str:
    """The sha256 of a list of names, one per line, in the order given."""
    return hashlib.sha256('\n'.join(names).encode()).hexdigest()
