"""The mean of releases that grew from one: runs of several seeds, as one better network.

Weights that were trained further from the same network lie in one valley, and their mean
generalises better than each (model soups: Wortsman et al., ICML 2022, arXiv 2203.05482). Weights
that never were the same have no mean worth having, so these are refused.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sds_perception.camera import Camera
from sds_perception.network import NetworkConfig
from sds_perception.release import (
    Release,
    ReleaseError,
    named_release,
    require_new,
    write_release,
)
from sds_training.exit_codes import REFUSED

SAME_LENS = 0.02  # relative to the mean; medians of other frames of one data set differ by 0.01


def mean_release(releases: Sequence[Release]) -> Release:
    """One release with the mean of all weights, in the first one's precision.

    Args:
        releases: two or more of the same network, size and kind of depth, with an ancestor in
            common.

    Raises:
        ReleaseError: where they do not belong together; the message says in what.
    """
    first, *others = releases
    if not others:
        raise ReleaseError('one release has no mean, wanted two or more')
    for other in others:
        _require_relatives(first, other)
    _require_different(releases)
    weights = {name: _mean([r.weights[name] for r in releases]) for name in first.weights}
    parts = [_identity(each) for each in releases]
    provenance = {**first.provenance, 'mean_of': parts, 'scores': {}}
    camera = _mean_camera(releases)
    known = [each.brightness for each in releases if each.brightness]
    brightness = min(known, default=0.0)
    return replace(
        first,
        weights=weights,
        camera=camera,
        brightness=brightness,
        provenance=provenance,
        digest='',
    )


def lineage(release: Release) -> list[str]:
    """Digests of the releases and configs that a release grew from, itself first."""
    found, before = [release.digest], release.provenance.get('started_from')
    while before:
        state = f'{before.get("config_digest")}@{before["step"]}'  # all that older versions tell
        found.append(before.get('release') or before.get('weights_sha256') or state)
        before = before.get('before')
    return found


def _identity(release: Release) -> dict[str, Any]:
    """What the mean's passport tells of one part: a run, or a mean itself."""
    made = release.provenance
    if 'mean_of' in made:
        return {'release': release.digest, 'mean_of': made['mean_of']}
    told = {name: made.get(name) for name in ('step', 'config_digest', 'commit', 'data')}
    return {'release': release.digest, 'seed': made.get('config', {}).get('seed'), **told}


def _require_relatives(first: Release, other: Release) -> None:
    """Refuse what differs in more than its weights, or was never one network."""
    for name in ('network_config', 'input_size', 'depth_kind', 'depth_scale'):
        ours, theirs = getattr(first, name), getattr(other, name)
        if ours != theirs:
            raise ReleaseError(
                f'releases {first.digest[:12]} and {other.digest[:12]} differ in {name} '
                f'({_difference(ours, theirs)}), wanted the same'
            )
    if not set(lineage(first)) & set(lineage(other)):
        raise ReleaseError(
            f'releases {first.digest[:12]} and {other.digest[:12]} did not grow from the same '
            'network, so their mean would be none; start both runs from one release (init_from)'
        )


def _difference(ours: Any, theirs: Any) -> str:
    """Two values that differ, of networks the fields that do: they have more than a line holds."""
    if not isinstance(ours, NetworkConfig):
        return f'{ours} and {theirs}'
    both = (
        (each.name, getattr(ours, each.name), getattr(theirs, each.name)) for each in fields(ours)
    )
    return ', '.join(f'{name}: {one} and {other}' for name, one, other in both if one != other)


def _require_different(releases: Sequence[Release]) -> None:
    """Refuse a release that would count twice: a slip of the command line."""
    digests = [each.digest for each in releases]
    twice = next((each for each in digests if digests.count(each) > 1), None)
    if twice is not None:
        raise ReleaseError(f'release {twice[:12]} is given twice, wanted different ones')


def _mean(parts: list[Tensor]) -> Tensor:
    if not parts[0].is_floating_point():
        return parts[0]  # counters of BatchNorm, which nothing reads
    return torch.stack([each.double() for each in parts]).mean(dim=0).to(parts[0].dtype)


def _mean_camera(releases: Sequence[Release]) -> Camera | None:
    """The camera that network depth is meant for; lenses that differ would mean other metres."""
    cameras = [each.camera for each in releases if each.camera]
    if len(cameras) < len(releases):
        return None
    focal = [(each.fx, each.fy) for each in cameras]
    fx, fy = (sum(side) / len(cameras) for side in zip(*focal, strict=True))
    worst = max(abs(each.fy / fy - 1) for each in cameras)
    if worst > SAME_LENS:
        raise ReleaseError(
            f'training cameras differ by {100 * worst:.1f} % in focal length, wanted at most '
            f'{100 * SAME_LENS:g} %: their depths do not mean the same'
        )
    return replace(cameras[0], fx=fx, fy=fy)


def main(arguments: list[str] | None = None) -> int:
    """`sds-average OUTPUT RELEASE RELEASE ...`; exit code 2 with one sentence where it cannot."""
    parser = argparse.ArgumentParser(
        prog='sds-average', description='Write the mean of releases that grew from one.'
    )
    parser.add_argument(
        'output', type=Path, help='release file to write (.safetensors), a new one'
    )
    parser.add_argument('releases', type=Path, nargs='+', help='releases of several runs')
    words = parser.parse_args(arguments)
    try:
        require_new(words.output, 'first')
        mean = mean_release([named_release(each) for each in words.releases])
        digest = write_release(words.output, mean)
    except (ReleaseError, OSError) as problem:
        print(f'sds-average: {problem}', file=sys.stderr)
        return REFUSED
    print(f'{words.output}  {digest}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
