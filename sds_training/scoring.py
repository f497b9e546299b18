"""What a run is worth while it goes, and the release it ends in."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from sds_perception.perceiver import Perceiver
from sds_perception.release import Release, write_release
from sds_training.config import TrainingConfig
from sds_training.data.cityscapes import DataError
from sds_training.data.validation import validation_frames
from sds_training.evaluate import Scores, evaluate
from sds_training.export import release_of
from sds_training.journal import Journal
from sds_training.learner import Learner
from sds_training.metrics import PROTOCOLS

logger = logging.getLogger(__name__)

RELEASE = 'release.safetensors'


def scored(
    config: TrainingConfig, learner: Learner, passport: dict[str, Any], journal: Journal | None
) -> dict[str, float]:
    """Scores of the teacher on the validation split, through the vehicle's own Perceiver."""
    learner.fabric.barrier()
    if not learner.fabric.is_global_zero:
        return {}
    try:
        frames = validation_frames(config.data, 'val')
    except DataError as nothing:
        logger.info('not evaluated: %s', nothing)
        return {}
    most = config.journal.evaluate_frames
    if most and len(frames) > most:
        frames = frames[:: -(-len(frames) // most)]
    perceiver = Perceiver.from_release(
        released(config, learner, passport), device=str(learner.fabric.device), detail='fine'
    )
    figures = headline(evaluate(perceiver, frames, protocol=PROTOCOLS['full']))
    if journal:
        journal.record(learner.step, 'evaluate', figures)
    return figures


def headline(scores: Scores) -> dict[str, float]:
    """The few figures a run is judged by while it goes."""
    figures = {
        'mean_iou': scores.mean_iou,
        'abs_rel': scores.depth['abs_rel'],
        'abs_rel_scaled': scores.depth_median_scaled['abs_rel'],
    }
    return {name: value for name, value in figures.items() if value is not None}


def released(
    config: TrainingConfig,
    learner: Learner,
    passport: dict[str, Any],
    scores: dict[str, float] | None = None,
) -> Release:
    """The teacher as it is now (the student in depth pre-training, which has no teacher)."""
    which = 'teacher' if config.stage == 'joint' else 'student'
    network = learner.teacher.network if which == 'teacher' else learner.student
    weights = {name: each.detach().cpu().clone() for name, each in network.state_dict().items()}
    return release_of(config, weights, {**passport, 'step': learner.step, 'which': which}, scores)


def finish(config: TrainingConfig, learner: Learner, passport: dict[str, Any]) -> Path:
    """Score the trained network and write its release."""
    path = Path(config.run_dir, RELEASE)
    scores = scored(config, learner, passport, None)
    if learner.fabric.is_global_zero:
        (path.parent / 'scores.json').write_text(json.dumps(scores, indent=1) + '\n')
        write_release(path, released(config, learner, passport, scores))
    return path
