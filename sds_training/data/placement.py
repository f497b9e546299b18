"""Whether the files of a data folder lie where anything reads them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sds_training.data.cityscapes import KINDS, Kind, Layout

PICTURES = ('images', 'sequence')


class Finding(NamedTuple):
    """One sentence about a folder; a problem stops training, a note does not."""

    is_problem: bool
    sentence: str


def nothing_here(root: Path) -> str:
    """What a folder holds that has no pictures where they are wanted."""
    folders = ', '.join(sorted(path.name for path in root.iterdir() if path.is_dir())) or 'nothing'
    return (
        f'{root} has neither leftImg8bit/<split> nor leftImg8bit_sequence/<split> in it; '
        f'the folders it has: {folders}'
    )


def misplaced_folders(root: Path) -> Iterator[Finding]:
    """Known folders one level too deep or too high: other things may have their names."""
    for kind in KINDS.values():
        if root.name == kind.folder and _holds(root, kind):
            yield Finding(
                True, f'{root} is one of the data folders itself: give its parent {root.parent}'
            )
        if _holds(root / kind.folder, kind):
            continue
        for found in sorted(root.glob(f'*/{kind.folder}')):
            if _holds(found, kind):
                yield Finding(
                    True,
                    f'{found} is one level too deep: move it to {root / kind.folder} '
                    '(was its archive unpacked into a folder of its own?)',
                )


def _holds(folder: Path, kind: Kind) -> bool:
    """Whether any file of this kind lies where a data folder has it."""
    return any(
        found for suffix in kind.suffixes for found in folder.glob(f'*/*/*{kind.ending}{suffix}')
    )


def unread_pictures(layout: Layout) -> Iterator[Finding]:
    """Pictures that nothing will read: misnamed, misplaced, or there twice with two suffixes."""
    for key in PICTURES:
        kind, known = KINDS[key], set(getattr(layout, key).values())
        folder = layout.root / kind.folder / layout.split
        inside = (path for path in folder.rglob('*') if path.suffix.lower() in kind.suffixes)
        strange = sorted(path for path in inside if path not in known)
        if strange:
            yield Finding(
                False,
                f'{layout.split}: {len(strange)} pictures in {folder} stay out (first: '
                f'{strange[0].relative_to(folder)}); wanted, once each, '
                f'<city>/<city>_<sequence>_<frame>{kind.ending}{kind.suffixes[0]}',
            )
