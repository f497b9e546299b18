"""The commands of training, as setup.py names them."""

from __future__ import annotations

from sds_perception.commands import Command

streets = Command('sds_training.streets.cli', 'sds-streets')
prepare = Command('sds_training.data.prepare', 'sds-prepare')
train = Command('sds_training.train', 'sds-train')
evaluate = Command('sds_training.evaluate', 'sds-evaluate')
export = Command('sds_training.export', 'sds-export')
average = Command('sds_training.average', 'sds-average')
