"""From the node's parameters to its release, and to a Perceiver that has run."""

from __future__ import annotations

import gc

from sds_perception.engines.options import engine_options
from sds_perception.perceiver import Perceiver
from sds_perception.release import Release
from sds_perception.ros.node_config import NodeConfig
from sds_perception.ros.scheduler import LARGEST_BATCH


def build_perceiver(release: Release, config: NodeConfig) -> Perceiver:
    """The engine asked for, warmed up.

    Raises:
        EngineError: when it cannot be had here; another one is never taken in its place.
    """
    perceiver = Perceiver.from_release(
        release,
        device=config.device,
        engine=config.engine,
        detail=config.detail,
        output_size=config.output_size,
        **engine_options(
            config.engine, config.precision, config.threads, config.engine_cache, config.provider
        ),
    )
    for frames in batch_sizes(config):
        perceiver.warm_up(frames=frames)
    gc.collect()  # building leaves a copy of the weights in a reference cycle
    return perceiver


def batch_sizes(config: NodeConfig) -> range:
    """How many cameras' frames may come to the network together, where it sets up for each.

    On CUDA a size is recorded when it first comes; on the CPU one size stands for all.
    """
    together = 1 if config.device == 'cpu' else min(len(config.cameras), LARGEST_BATCH)
    return range(1, max(together, 1) + 1)
