"""The 19 Cityscapes classes: names, colours, and the groups the method speaks of.

Train ids, label ids and colours are those of the Cityscapes benchmark. `UNLABELLED` is the largest
uint8, the number both Cityscapes ("ignore") and vision_msgs/LabelInfo ("unlabelled") reserve.
"""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

UNLABELLED = 255


class LabelClass(NamedTuple):
    """One class a pixel can have; its train id is its place in `CLASSES`."""

    name: str
    label_id: int  # id in *_gtFine_labelIds.png
    color: tuple[int, int, int]  # RGB


CLASSES: tuple[LabelClass, ...] = (
    LabelClass('road', 7, (128, 64, 128)),
    LabelClass('sidewalk', 8, (244, 35, 232)),
    LabelClass('building', 11, (70, 70, 70)),
    LabelClass('wall', 12, (102, 102, 156)),
    LabelClass('fence', 13, (190, 153, 153)),
    LabelClass('pole', 17, (153, 153, 153)),
    LabelClass('traffic light', 19, (250, 170, 30)),
    LabelClass('traffic sign', 20, (220, 220, 0)),
    LabelClass('vegetation', 21, (107, 142, 35)),
    LabelClass('terrain', 22, (152, 251, 152)),
    LabelClass('sky', 23, (70, 130, 180)),
    LabelClass('person', 24, (220, 20, 60)),
    LabelClass('rider', 25, (255, 0, 0)),
    LabelClass('car', 26, (0, 0, 142)),
    LabelClass('truck', 27, (0, 0, 70)),
    LabelClass('bus', 28, (0, 60, 100)),
    LabelClass('train', 31, (0, 80, 100)),
    LabelClass('motorcycle', 32, (0, 0, 230)),
    LabelClass('bicycle', 33, (119, 11, 32)),
)

NAMES: tuple[str, ...] = tuple(each.name for each in CLASSES)
TRAIN_ID: dict[str, int] = {name: number for number, name in enumerate(NAMES)}

ROAD = TRAIN_ID['road']
SKY = TRAIN_ID['sky']
RIDER = TRAIN_ID['rider']
TWO_WHEELERS: tuple[int, ...] = (TRAIN_ID['motorcycle'], TRAIN_ID['bicycle'])
MOVABLE: tuple[int, ...] = tuple(range(TRAIN_ID['person'], TRAIN_ID['bicycle'] + 1))


def _palette() -> NDArray[np.uint8]:
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(CLASSES)] = [each.color for each in CLASSES]
    return palette


def _train_id_from_label_id() -> NDArray[np.uint8]:
    table = np.full(256, UNLABELLED, np.uint8)
    table[[each.label_id for each in CLASSES]] = np.arange(len(CLASSES), dtype=np.uint8)
    return table


PALETTE = _palette()  # (256, 3) uint8 RGB by train id; black where there is no class
TRAIN_ID_FROM_LABEL_ID = _train_id_from_label_id()  # (256,) uint8


def label_table_json() -> str:
    """Names and colours by train id, on one line: what goes beside labels to be read later."""
    classes = [
        {'id': number, 'name': each.name, 'rgb': list(each.color)}
        for number, each in enumerate(CLASSES)
    ]
    return json.dumps({'encoding': 'mono8', 'unlabelled': UNLABELLED, 'classes': classes})
