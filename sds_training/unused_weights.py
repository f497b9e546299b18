"""Weights of a training description that nothing would ever be computed with."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import TYPE_CHECKING

from sds_training.config_error import require

if TYPE_CHECKING:
    from sds_training.config import TrainingConfig

# Terms that the depth stage has not.
JOINT_ONLY = ('jaccard', 'road', 'standing', 'kept_depth', 'orthogonality')


def require_no_unused_weights(config: TrainingConfig) -> None:
    """Refuse the first weight above 0 that this run would have no use for."""
    for name, unused, why in _rules(config):
        value = attrgetter(name)(config)
        require(value == 0 or not unused, name, value, f'0 where {why}')


def _rules(config: TrainingConfig) -> Iterator[tuple[str, bool, str]]:
    """A field, whether nothing listens to it, and why."""
    loss, data, network = config.loss, config.data, config.network.config()
    depth_alone = config.stage == 'depth'
    for name in JOINT_ONLY:
        yield f'loss.{name}', depth_alone, "stage is 'depth'"
    for name in ('supervised', 'jaccard'):
        unlabelled = not depth_alone and data.labelled_batch == 0
        yield f'loss.{name}', unlabelled, 'data.labelled_batch is 0: no label is seen'
    fresh = config.init_from is None
    yield 'loss.kept_depth', fresh, 'init_from is null: nothing is there to keep'
    yield 'loss.speed', loss.depth == 0, 'loss.depth is 0: no motion is judged'
    told = config.pose.odometry and config.pose.align
    yield 'loss.speed', told, "pose.odometry and pose.align take the vehicle's word as it is"
    yield (
        'loss.orthogonality',
        not (network.exchange == 'ccam' and network.exchange_levels),
        f'the network has no CCAM (its exchange is {network.exchange!r} at levels '
        f'{network.exchange_levels})',
    )
    nobody = 'no teacher looks at the pool'
    for unused, why in (
        (depth_alone, 'stage is depth'),
        (loss.consistency == 0, 'loss.consistency is 0'),
        (data.unlabelled_batch == 0, 'data.unlabelled_batch is 0'),
        (
            config.teacher.start_step >= config.steps,
            f'teacher.start_step is {config.teacher.start_step} of {config.steps} steps',
        ),
    ):
        for name in ('teacher.debias', 'release_debias'):
            yield name, unused, f'{nobody}: {why}'
