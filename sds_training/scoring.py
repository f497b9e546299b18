"""What a run is worth while it goes, and the release it ends in."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch

from sds_perception.atomic_file import write_atomically
from sds_perception.engines import EngineError
from sds_perception.perceiver import Perceiver
from sds_perception.release import Release, write_release
from sds_training.config import TrainingConfig
from sds_training.data.cityscapes import DataError
from sds_training.data.validation import ValidationFrame, validation_frames
from sds_training.evaluate import evaluate
from sds_training.evenly import evenly
from sds_training.export import release_of, released_network
from sds_training.learner import Learner
from sds_training.metrics import FOLDS, PROTOCOLS, Scores
from sds_training.run.interruption import Interrupted
from sds_training.run.journal import Journal

logger = logging.getLogger(__name__)

RELEASE, SCORES = 'release.safetensors', 'scores.json'
PROTOCOL = PROTOCOLS['full']  # how a run is scored, told beside its scores; and the detail
DETAIL: Literal['fine'] = 'fine'


def scored(
    learner: Learner,
    passport: dict[str, Any],
    journal: Journal | None,
    stop: threading.Event | None = None,
) -> dict[str, Any] | None:
    """Scores of the teacher on the validation split, through the vehicle's own Perceiver.

    Empty where there is nothing to score. None where a file of the split cannot be used or no
    engine be built beside the training, which is logged: neither must cost a run; once `stop` is
    set, since the rest of the frames would keep who asked for it waiting; and None in all
    processes but the first.
    """
    learner.fabric.barrier()
    if not learner.fabric.is_global_zero:
        return None
    frames = frames_to_score(learner.config)
    if not frames:
        return {}
    device, release = str(learner.fabric.device), released(learner, passport)
    fold = learner.config.journal.evaluate_fold
    try:
        perceiver = Perceiver.from_release(release, device=device, detail=DETAIL)
        scores = evaluate(perceiver, _until(stop, frames), fold=FOLDS[fold], protocol=PROTOCOL)
    except (DataError, EngineError, Interrupted, torch.cuda.OutOfMemoryError) as problem:
        logger.warning('not scored after step %d: %s', learner.step, problem)
        return None
    figures = headline(scores)
    if learner.config.stage == 'depth':
        figures.pop('mean_iou', None)  # of semantics that nobody taught
    if journal:
        journal.record(learner.step, 'evaluate', figures)
    seen = {'frames': scores.frames, 'frames_sha256': scores.frames_sha256, 'fold': fold}
    return {**figures, **seen, 'depth_protocol': scores.depth_protocol, 'detail': DETAIL}


def _until(
    stop: threading.Event | None, frames: list[ValidationFrame]
) -> Iterator[ValidationFrame]:
    for frame in frames:
        if stop is not None and stop.is_set():
            raise Interrupted('asked to stop')
        yield frame


def frames_to_score(config: TrainingConfig) -> list[ValidationFrame]:
    """The validation frames, thinned out evenly to as many as the config wants; maybe none."""
    try:
        frames = validation_frames(config.data, 'val')
    except DataError as nothing:
        logger.info('not scored: %s', nothing)
        return []
    most = config.journal.evaluate_frames
    return list(evenly(frames, most)) if most else frames


def headline(scores: Scores) -> dict[str, float]:
    """The few figures a run is judged by while it goes."""
    figures = {
        'mean_iou': scores.mean_iou,
        'abs_rel': scores.depth['abs_rel'],
        'abs_rel_scaled': scores.depth_median_scaled['abs_rel'],
        'depth_coverage': scores.depth_coverage,  # what is taken for sky has no depth to be wrong
    }
    return {name: value for name, value in figures.items() if value is not None}


def released(
    learner: Learner, passport: dict[str, Any], scores: dict[str, Any] | None = None
) -> Release:
    """The network that is released, as it is now."""
    which = released_network(learner.config)
    network = learner.teacher.network if which == 'teacher' else learner.student
    weights = {name: each.detach().cpu().clone() for name, each in network.state_dict().items()}
    passport = {**passport, 'step': learner.step, 'which': which}
    return release_of(learner.config, weights, passport, learner.teacher.bias.prior, scores)


def finish(learner: Learner, passport: dict[str, Any]) -> Path:
    """Score the trained network and write its release, and the scores where there are any.

    Without them the same command scores again, once the file that prevented it is mended.
    """
    path = Path(learner.config.run_dir, RELEASE)
    scores = scored(learner, passport, None)
    if learner.fabric.is_global_zero:
        file = path.with_name(SCORES)
        file.unlink(missing_ok=True)
        if scores is not None:
            text = json.dumps(scores, indent=1) + '\n'
            write_atomically(file, lambda partial: partial.write_text(text))
        write_release(path, released(learner, passport, scores))
    return path
