"""What frames must have to teach what a config wants to learn; a sentence where they lack it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sds_training.data.cityscapes import TRAIN, DataError

if TYPE_CHECKING:  # those who make them ask here
    from sds_training.config import TrainingConfig
    from sds_training.data.clips import Clip, Pools
    from sds_training.data.config import DataConfig


def require_supervision(config: TrainingConfig, pools: Pools) -> None:
    """Refuse frames that cannot teach what the config wants to learn from them."""
    if config.pose.odometry:
        require_vehicles(pools, 'pose.odometry is true', 'set pose.odometry to false')
    if config.loss.speed:
        require_vehicles(pools, f'loss.speed is {config.loss.speed}', 'set loss.speed to 0')
    if config.loss.road:
        require_mounting(pools)
    if config.stage == 'joint' and config.loss.consistency and config.data.unlabelled_batch:
        require_some_to_judge(pools, config.loss.consistency)
    if config.stage == 'depth':
        require_neighbours(pools, config.data)
    elif config.loss.depth:
        require_some_neighbours(pools, config.data, f'loss.depth is {config.loss.depth}')


def require_frames(pools: Pools, config: DataConfig) -> None:
    """Refuse an empty pool that batches are to be drawn from."""
    if config.labelled_batch and not pools.labelled:
        raise DataError(
            f'data.labelled_batch is {config.labelled_batch} but {config.root} has no labelled '
            f'frames to use in {TRAIN!r} (data.labels is {config.labels})'
        )
    if config.unlabelled_batch and not pools.unlabelled:
        raise DataError(
            f'data.unlabelled_batch is {config.unlabelled_batch} but the unlabelled pool of '
            f'{TRAIN!r} is empty; set data.extra_unlabelled (sds-prepare: --extra-unlabelled all) '
            'or data.pool_includes_labelled'
        )


def require_some_to_judge(pools: Pools, weight: float) -> None:
    """Refuse an unlabelled pool all of which is for depth alone where a teacher is to teach."""
    if all(clip.depth_only for clip in pools.unlabelled):
        raise DataError(
            f'loss.consistency is {weight} but all {len(pools.unlabelled)} unlabelled frames are '
            'for depth alone (data.extra_depth_only); add pictures, or set loss.consistency to 0'
        )


def require_vehicles(pools: Pools, asked: str, otherwise: str) -> None:
    """Refuse pools of which no vehicle file, or not every one wanted, tells the motion.

    The sentence begins with what `asked` for motion and ends with what to do `otherwise`.
    """
    if not any(clip.neighbours for clip in pools.clips):
        raise DataError(
            f'{asked} but none of {len(pools.clips)} frames has neighbours to move to; fetch '
            f'leftImg8bit_sequence, or {otherwise}'
        )
    require_told_motion(pools.clips, asked, otherwise)


def require_some_neighbours(pools: Pools, config: DataConfig, asked: str) -> None:
    """Refuse pools none of whose frames can teach depth; the sentence begins with who `asked`."""
    drawn = _drawn(pools, config)
    if not any(clip.neighbours for clip in drawn):
        raise DataError(
            f'{asked} but none of {len(drawn)} frames to draw has neighbours to learn it from; '
            'fetch leftImg8bit_sequence, or set loss.depth to 0'
        )


def require_neighbours(pools: Pools, config: DataConfig) -> None:
    """Refuse pools that depth pre-training would draw frames without neighbours from."""
    drawn = _drawn(pools, config)
    lone = [clip.name for clip in drawn if not clip.neighbours]
    if lone:
        raise DataError(
            f"stage is 'depth' but {len(lone)} of {len(drawn)} frames to draw lack a neighbour "
            f'(first: {lone[0]}); set data.clips_only to true and data.labelled_batch to 0'
        )


def require_mounting(pools: Pools) -> None:
    """Refuse frames whose camera file does not say how high the camera sits."""
    clips = pools.clips
    unknown = [clip.name for clip in clips if not clip.road()[3] > 0]
    if unknown:
        raise DataError(
            f'loss.road is above 0 but {len(unknown)} of {len(clips)} frames have no camera file '
            f'with a height over the road, extrinsic.z (first: {unknown[0]}); add it, or set '
            'loss.road to 0'
        )


def require_told_motion(clips: Sequence[Clip], asked: str, otherwise: str) -> None:
    """Refuse frames with neighbours of which no vehicle file tells how they moved."""
    moving = [clip for clip in clips if clip.neighbours]
    silent = [clip.name for clip in moving if None in clip.vehicles]
    if silent:
        raise DataError(
            f'{asked} but {len(silent)} of {len(moving)} frames with neighbours lack a vehicle '
            f'file of their own or of a neighbour (first: {silent[0]}); fetch vehicle_sequence, '
            f'or {otherwise}'
        )


def _drawn(pools: Pools, config: DataConfig) -> tuple[Clip, ...]:
    """The frames that batches are made of: a pool without a place in them teaches nothing."""
    if not config.labelled_batch:
        return pools.unlabelled
    return pools.clips if config.unlabelled_batch else pools.labelled
