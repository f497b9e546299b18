"""A release for other pictures than it learnt from, without a label: another camera, another town.

BatchNorm remembers the mean and variance of what a network saw while it learnt. Pictures of
another camera have others, which is much of why a network fails on them, and no label is needed
to know them: those of frames of yours take their place (AdaBN: Li et al., arXiv 1603.04779), or
half of it, as what was learnt goes with the old ones (You et al., arXiv 2110.04065).
What it gains on real streets: docs/demo_release.md.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sds_perception.argument_types import count, number
from sds_perception.network import SdsNetwork, batch_norms
from sds_perception.offline.frames import OfflineError
from sds_perception.offline.samples import add_sample_options, user_frames
from sds_perception.offline.sources import is_bag
from sds_perception.release import (
    Release,
    ReleaseError,
    named_release,
    require_new,
    write_release,
)

FRAMES = 64  # one is too few; 4 and 16 do as well on CamVid (docs/demo_release.md)
BATCH = 8
SHARE = 0.5  # all of them is worse on CamVid, and better on KITTI (docs/demo_release.md)


def adapted_release(release: Release, frames: NDArray[np.uint8], share: float = SHARE) -> Release:
    """The release with the BatchNorm statistics of other frames; all that was learnt stays.

    Args:
        release: which network; it stays as it is.
        frames: (N, H, W, 3) RGB at the release's input size, as its network sees them, spread over
            what there will be to see: where all show one place, that place is taken for the world.
        share: of the new statistics in the mean of old and new, 0 to 1.

    Raises:
        ReleaseError: where the network has no BatchNorm.
    """
    network = release.network()
    _follow(network, frames, share)
    now = network.state_dict()
    weights = {name: now[name].to(each.dtype) for name, each in release.weights.items()}
    seen = hashlib.sha256(frames.tobytes()).hexdigest()
    told = {
        'release': release.digest,
        'frames': len(frames),
        'frames_sha256': seen,
        'share': share,
    }
    before = release.provenance.get('adapted', [])
    provenance = {**release.provenance, 'adapted': [*before, told], 'scores': {}}
    return replace(release, weights=weights, provenance=provenance, digest='')


@torch.inference_mode()
def _follow(network: SdsNetwork, frames: NDArray[np.uint8], share: float) -> None:
    """Have the network's BatchNorms remember these frames, and of the others what is left."""
    norms = batch_norms(network)
    if not norms:
        raise ReleaseError('the network has no BatchNorm, so that nothing could be adapted')
    old = [each.clone() for each in _statistics(norms)]
    for each in norms:
        each.momentum = None  # the plain mean over the batches to come
        each.reset_running_stats()
        each.train()
    for batch in np.array_split(frames, -(-len(frames) // BATCH)):
        network(torch.from_numpy(batch).permute(0, 3, 1, 2) / 255)
    torch._foreach_lerp_(_statistics(norms), old, 1 - share)


def _statistics(norms: Sequence[torch.nn.Module]) -> list[torch.Tensor]:
    """Means and variances, as they are kept."""
    both = [(each.running_mean, each.running_var) for each in norms]
    return [each for pair in both for each in pair if each is not None]


def main(arguments: Sequence[str] | None = None) -> int:
    """`sds-adapt RELEASE FRAMES OUTPUT`; exit code 2 with one sentence where it cannot."""
    parser = _parser()
    words = parser.parse_args(arguments)
    if words.topic and not is_bag(words.frames):
        parser.error(f'--topic is for a bag, and {words.frames} is none')
    if words.camera and words.lens == 'raw':
        parser.error('--camera is for --lens rectify: a raw picture is taken as it is')
    try:
        require_new(words.output, 'last')
        release = named_release(words.release)
        seen = {'camera': words.camera, 'lens': words.lens, 'brightness': release.brightness}
        size = release.input_size
        frames = user_frames(words.frames, size, words.count, words.topic, **seen)
        digest = write_release(words.output, adapted_release(release, frames, words.share))
    except (OfflineError, ReleaseError, OSError) as problem:
        print(f'sds-adapt: {problem}', file=sys.stderr)
        return 2
    print(f'{words.output}  {digest}  adapted to {len(frames)} frames of {words.frames}')
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='sds-adapt',
        description="Write a release with the BatchNorm statistics of your camera's pictures: no "
        'labels, no training.',
    )
    add = parser.add_argument
    add('release', type=Path, help=".safetensors file, or 'demo', the shipped one")
    add('frames', type=Path, help='folder, video or bag with what the vehicle will see')
    add('output', type=Path, help='release file to write (.safetensors), a new one')
    add(
        '--count',
        type=count('frames', 1),
        default=FRAMES,
        help=f'so many frames, spread over all of it (default: {FRAMES})',
    )
    add(
        '--share',
        type=number('share', 0, 1),
        default=SHARE,
        help='of the statistics of these pictures, 0 to 1, beside those of what was learnt from '
        f'(default: {SHARE})',
    )
    add_sample_options(parser)
    return parser


if __name__ == '__main__':
    sys.exit(main())
