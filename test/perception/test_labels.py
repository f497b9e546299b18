"""The class table is Cityscapes', and its groups are what the method means by them."""

from __future__ import annotations

import numpy as np
from cityscapesscripts.helpers.labels import labels as official_labels

from sds_perception.labels import (
    CLASSES,
    MOVABLE,
    NAMES,
    PALETTE,
    RIDER,
    ROAD,
    SKY,
    TRAIN_ID,
    TRAIN_ID_FROM_LABEL_ID,
    TWO_WHEELERS,
    UNLABELLED,
)


def test_the_table_is_the_one_of_the_cityscapes_scripts():
    official = {each.trainId: each for each in official_labels if 0 <= each.trainId < UNLABELLED}
    assert len(official) == len(CLASSES) == 19
    for number, ours in enumerate(CLASSES):
        theirs = official[number]
        assert tuple(ours) == (theirs.name, theirs.id, theirs.color)


def test_label_ids_become_train_ids_and_everything_else_becomes_unlabelled():
    ids = [each.label_id for each in CLASSES]
    assert TRAIN_ID_FROM_LABEL_ID[ids].tolist() == list(range(len(CLASSES)))
    others = np.setdiff1d(np.arange(256), ids)
    assert (TRAIN_ID_FROM_LABEL_ID[others] == UNLABELLED).all()


def test_every_class_has_a_colour_of_its_own_and_unlabelled_is_black():
    colours = {tuple(int(v) for v in row) for row in PALETTE[: len(CLASSES)]}
    assert len(colours) == len(CLASSES)
    assert not PALETTE[UNLABELLED].any()
    assert (0, 0, 0) not in colours


def test_movable_things_are_people_and_vehicles():
    names = {NAMES[number] for number in MOVABLE}
    vehicles = {'car', 'truck', 'bus', 'train', 'motorcycle', 'bicycle'}
    assert names == {'person', 'rider'} | vehicles
    assert {RIDER, *TWO_WHEELERS} <= set(MOVABLE)
    assert {NAMES[number] for number in TWO_WHEELERS} == {'motorcycle', 'bicycle'}


def test_names_lead_to_their_place_in_the_table():
    assert (NAMES[ROAD], NAMES[SKY], NAMES[RIDER]) == ('road', 'sky', 'rider')
    assert all(NAMES[number] == name for name, number in TRAIN_ID.items())
