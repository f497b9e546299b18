"""Looks a data folder over before anything is trained on it, and says in sentences what it found.

Names are checked for every file; the pixels of a few label files are read to see their type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from sds_perception.labels import CLASSES
from sds_training.data.cityscapes import KINDS, DataError, Layout, scan
from sds_training.data.files import (
    HIGHEST_LABEL_ID,
    read_label_ids,
    read_picture,
    recorded_camera,
)
from sds_training.data.placement import (
    PICTURES,
    Finding,
    misplaced_folders,
    nothing_here,
    unread_pictures,
)
from sds_training.evenly import evenly

LABELS_READ = 20  # at most so many label files per split are looked into
HIGHEST_TRAIN_ID = len(CLASSES) - 1
# Building, terrain, sky, truck, bus, train, bicycle; as label ids what hardly anybody draws.
RATHER_TRAIN_IDS = {2, 9, 10, 14, 15, 16, 18}
HIGHEST_VOID_ID = min(each.label_id for each in CLASSES) - 1  # below the first class, road
VOID_SPLIT = 'test'  # its labels are kept from everybody but the benchmark's server
SCORED_ONLY = ('val', VOID_SPLIT)  # nothing is learnt from these, so neighbours do not matter
WRONG_LABELS = (
    '_labelTrainIds',
    '_color',
    '_instanceIds',
    '_instanceTrainIds',
    '_gtCoarse_labelIds',
)


def check_folder(root: Path, neighbour_gap: int = 1) -> list[Finding]:
    """Everything worth saying about a data folder, problems first."""
    if not root.is_dir():
        return [Finding(True, f'{root} is not a folder')]
    findings = list(misplaced_folders(root))
    splits = sorted(
        {
            path.name
            for key in PICTURES
            for path in (root / KINDS[key].folder).glob('*')
            if path.is_dir()
        }
    )
    if not splits and not findings:
        findings.append(Finding(True, nothing_here(root)))
    for split in splits:
        findings += _check_split(root, split, neighbour_gap)
    once = dict.fromkeys(findings)  # a damaged picture is met by more than one check
    return sorted(once, key=lambda finding: not finding.is_problem)


def _check_split(root: Path, split: str, gap: int) -> list[Finding]:
    try:
        layout = scan(root, split)
    except DataError as problem:
        return [Finding(True, str(problem))]
    findings = [Finding(False, _summary(layout)), *unread_pictures(layout)]
    findings += [*_check_labels(layout), *_check_sizes(layout)]
    if split not in SCORED_ONLY:
        findings += [*_check_neighbours(layout, gap), *_check_cameras(layout, gap)]
    return findings


def _summary(layout: Layout) -> str:
    counts = ', '.join(f'{len(getattr(layout, key))} {kind.folder}' for key, kind in KINDS.items())
    return f'{layout.split}: {counts}'


def _check_labels(layout: Layout) -> Iterator[Finding]:
    folder = layout.root / KINDS['labels'].folder / layout.split
    if not layout.labels:
        yield from _wrong_label_files(folder, layout)
        return
    without = sorted(layout.images.keys() - layout.labels.keys())
    if without:
        yield Finding(
            False,
            f'{layout.split}: {_some(without)} without labels; they can be learnt unlabelled',
        )
    lone = sorted(layout.labels.keys() - layout.images.keys())
    if lone:
        yield Finding(
            True, f'{layout.split}: {_some(lone)} in {folder} without a picture in leftImg8bit'
        )
    yield from _label_pixels(layout)


def _wrong_label_files(folder: Path, layout: Layout) -> Iterator[Finding]:
    for ending in WRONG_LABELS:
        found = len(list(folder.glob(f'*/*{ending}.png')))
        if found:
            yield Finding(
                True,
                f'{folder} holds {found} *{ending}.png and no *_gtFine_labelIds.png; the label '
                'ids are wanted, and are mapped to train ids while loading',
            )
            return
    if layout.images:
        yield Finding(False, f'{layout.split}: no labels in {folder}; only depth can be learnt')


def _label_pixels(layout: Layout) -> Iterator[Finding]:
    """Read some labels, evenly spaced; the first that is wrong stands for all."""
    names = sorted(layout.labels.keys() & layout.images.keys())
    found: set[int] = set()
    for name in evenly(names, LABELS_READ):
        try:
            found |= _ids(layout.labels[name], layout.images[name])
        except DataError as problem:
            yield Finding(True, str(problem))
            return
    highest = max(found, default=HIGHEST_LABEL_ID)
    if highest <= HIGHEST_VOID_ID and layout.split == VOID_SPLIT:
        yield Finding(False, f'{layout.split}: labels are void, as Cityscapes ships them')
    elif highest <= HIGHEST_TRAIN_ID:
        yield Finding(
            bool(found & RATHER_TRAIN_IDS) or highest <= HIGHEST_VOID_ID,
            f'{layout.split}: the label files look like train ids, their highest value is '
            f'{highest}; label ids reach {HIGHEST_LABEL_ID} (sky is 23, car is 26)',
        )


def _ids(label: Path, image: Path) -> set[int]:
    """The ids in a label file that is of the right type and of its picture's size."""
    ids = read_label_ids(label)
    height, width = read_picture(image).shape[:2]
    if ids.shape != (height, width):
        raise DataError(
            f'{label} is {ids.shape[1]}x{ids.shape[0]}, its picture is {width}x{height}'
        )
    return set(np.unique(ids).tolist())


def _check_neighbours(layout: Layout, gap: int) -> Iterator[Finding]:
    without = sorted(name for name in layout.images if not layout.neighbours(name, gap))
    if not layout.images or not without:
        return
    yield Finding(
        False,
        f'{layout.split}: {_some(without)} without the frames {gap} earlier and later in '
        'leftImg8bit_sequence; they teach semantics but no depth',
    )


def _check_cameras(layout: Layout, gap: int) -> Iterator[Finding]:
    names = sorted({*layout.images, *layout.sequence})
    without = [name for name in names if layout.camera(name) is None]
    moving = [name for name in without if layout.neighbours(name, gap)]
    if moving:
        yield Finding(
            False,
            f'{layout.split}: {_some(moving)} have neighbours but no camera file; a centred '
            '60-degree pinhole is assumed, and depth learnt with it is bent accordingly',
        )
    elif without:
        yield Finding(
            False,
            f'{layout.split}: {_some(without)} without a camera file; they have no '
            'neighbours either, so it matters little',
        )


def _check_sizes(layout: Layout) -> Iterator[Finding]:
    """Intrinsics fit one size: look at a picture of either kind under one camera of each city."""
    of_camera = [
        {layout.camera(name): path for name, path in getattr(layout, key).items()}
        for key in PICTURES
    ]
    for camera in _one_of_each_city(*of_camera):
        try:
            yield from _size_findings(camera, [of[camera] for of in of_camera if camera in of])
        except DataError as problem:
            yield Finding(True, str(problem))


def _one_of_each_city(*of_camera: Mapping[Path | None, Path]) -> list[Path]:
    """A camera file of each city, of those with pictures of both kinds where there are any."""
    chosen: dict[Path, Path] = {}
    images, sequence = (of.keys() - {None} for of in of_camera)
    for camera in (*sorted(images & sequence), *sorted(images ^ sequence)):
        chosen.setdefault(camera.parent, camera)
    return list(chosen.values())


def _size_findings(camera: Path, pictures: list[Path]) -> Iterator[Finding]:
    sizes = [read_picture(path).shape[1::-1] for path in pictures]
    for width, height in sizes:
        recorded_camera(camera, width, height)
    if len(set(sizes)) > 1:
        told = ', '.join(f'{p} is {w}x{h}' for p, (w, h) in zip(pictures, sizes, strict=True))
        yield Finding(
            True,
            f'{told}, and {camera} is of both; camera files are in pixels of the recorded '
            'picture: bring them to one size, or give each a city of its own',
        )


def _some(names: list[str]) -> str:
    return f'{len(names)} frames (first: {names[0]})'
