"""What a run takes over from another run's networks, or from a release.

A wider network may inherit from a narrower one: the old channels keep their weights, the new ones
start at random and are not listened to yet, so that the wider network says at first what the
narrower one said (the idea of Net2Net, arXiv 1511.05641). A deeper one may inherit from a
shallower one: a new residual block passes on what it receives, since timm zeroes its last
BatchNorm.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from sds_training.class_bias import HEAD_BIAS
from sds_training.config import TrainingConfig
from sds_training.run.origin import Origin
from sds_training.run.run_state import RunStateError

logger = logging.getLogger(__name__)

BLOCK = re.compile(r'student\.encoder\.taps\.layer\d+\.[1-9]\d*\.')
# Fields that no weight has the shape of.
MEANING = ('depth_range', 'pixel_mean', 'pixel_std')
MEANING_OF_POSE = ('odometry', 'translation_scale')
MAY_DIFFER = {'student.exchanges.': 'exchange between the decoders', 'pose.': 'pose network'}


def comparable(origin: Origin, config: TrainingConfig) -> dict[str, Tensor]:
    """The origin's weights, without a pose network that answers another question than ours.

    Raises:
        RunStateError: its other weights would silently mean something else here.
    """
    ours = config.network.config()
    for name in MEANING:
        theirs, wanted = (tuple(getattr(each, name)) for each in (origin.network, ours))
        if theirs != wanted:
            raise RunStateError(
                f'init_from has network.changes.{name} {theirs}, this run {wanted}: its weights '
                'would fit and mean something else; wanted the same'
            )
    # A state of before a field was there has no value for it: its pose network starts fresh too.
    asked = {name: getattr(config.pose, name) for name in MEANING_OF_POSE}
    if origin.pose and any(origin.pose.get(name) != value for name, value in asked.items()):
        return {n: each for n, each in origin.networks.items() if not n.startswith('pose.')}
    return origin.networks


def inherit(networks: nn.Module, weights: dict[str, Tensor]) -> None:
    """Load `weights` into `networks`, and say what differs.

    Only two parts may differ altogether: the exchange, since depth pre-training can serve networks
    with any, and the pose network, which a release has not. What lacks there starts fresh.

    Raises:
        RunStateError: for weights of another network, of a wider one, or of one that cannot grow.
    """
    ours = networks.state_dict()
    fresh = tuple(each for each in MAY_DIFFER if _shapes(ours, each) != _shapes(weights, each))
    for prefix in fresh:
        part = MAY_DIFFER[prefix]
        logger.info('the %s differs from init_from or lacks there, and starts fresh', part)
    theirs = {name: each for name, each in weights.items() if not name.startswith(fresh)}
    wanted = {name: each for name, each in ours.items() if not name.startswith(fresh)}
    added = new_blocks(wanted, theirs)
    if added:
        logger.info('%d residual blocks are new: %s', len(added), ' '.join(added))
    wanted = {name: each for name, each in wanted.items() if not name.startswith(added)}
    strange = list(wanted.keys() ^ theirs.keys())
    strange += [name for name in wanted.keys() & theirs if not _fits(theirs[name], wanted[name])]
    if strange:
        known = ours.keys() | weights.keys()
        raise RunStateError(
            f'init_from holds another network: {len(strange)} of {len(known)} weights differ in '
            f'name or are larger (first: {min(strange)}); start from a run of the same network '
            'or of a narrower or shallower one'
        )
    wider = [name for name in wanted if wanted[name].shape != theirs[name].shape]
    if wider:
        _refuse_moved_inputs(networks, wider)
        logger.info('%d of %d weights grow from narrower ones of init_from', len(wider), len(ours))
    taken = {name: grown(theirs[name], wanted[name]) for name in wanted}
    networks.load_state_dict({**ours, **taken})


def _refuse_moved_inputs(networks: nn.Module, wider: list[str]) -> None:
    """Refuse wider decoders that join inputs channel by channel: the later ones would move."""
    config = networks.student.config
    joins = config.merge == 'concat' or config.aspp
    if joins and any('_levels.' in name and name.endswith('.bias') for name in wider):
        raise RunStateError(
            f'init_from has narrower decoders, and those of this network join their inputs (merge '
            f'{config.merge!r}, aspp {config.aspp}), where old channels would change places; '
            'wanted the same decoder_channels'
        )


def semantics_from_depth(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of depth pre-training, their untaught semantic decoder a copy of the depth one.

    Both are of one shape, and what tells near from far is a better start than chance (method.md
    1.6). Its scores start without a bias: a release of depth alone never says sky.
    """
    scores = f'student.{HEAD_BIAS}'
    ours, theirs = 'student.semantic_levels.', 'student.depth_levels.'
    taught = {name: each for name, each in weights.items() if name.startswith(theirs)}
    copies = {name.replace(theirs, ours): each for name, each in taught.items()}
    return {**weights, **copies, scores: torch.zeros_like(weights[scores])}


def new_blocks(ours: Iterable[str], theirs: Iterable[str]) -> tuple[str, ...]:
    """Prefixes of the encoder's residual blocks, such as `layer2.1.`, that `theirs` has not.

    Never the first of a stage: it changes the size, and so cannot pass on what it receives.
    """
    blocks = ({found[0] for n in names if (found := BLOCK.match(n))} for names in (ours, theirs))
    mine, others = blocks
    return tuple(sorted(mine - others))


def grown(old: Tensor, new: Tensor) -> Tensor:
    """`old` in the leading channels of a copy of `new`, deaf to all inputs it did not have.

    Args:
        old: weights of a layer, (out, in, ...) or (out,).
        new: those of the same layer, as wide or wider, as they were initialised.
    """
    if old.shape == new.shape:
        return old
    whole = new.clone()
    if old.ndim > 1:
        whole[: old.shape[0]] = 0
    whole[tuple(slice(side) for side in old.shape)] = old
    return whole


def _fits(old: Tensor, new: Tensor) -> bool:
    """Whether `old` lies within `new` by its channels; kernels must be of one size."""
    if old.ndim != new.ndim or old.shape[2:] != new.shape[2:]:
        return False
    return all(a <= b for a, b in zip(old.shape[:2], new.shape[:2], strict=True))


def _shapes(weights: dict[str, Tensor], prefix: str) -> dict[str, torch.Size]:
    return {name: each.shape for name, each in weights.items() if name.startswith(prefix)}
