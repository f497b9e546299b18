"""What another run, or a release, lends to the beginning of a run."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from torch import Tensor

from sds_perception.camera import Camera
from sds_perception.network import NetworkConfig
from sds_perception.release import Release, ReleaseError, named_release, weights_digest
from sds_training.export import NO_SCALE
from sds_training.network_choice import NetworkChoice
from sds_training.run.run_state import RunStateError, changed_fields, read_state


class Origin(NamedTuple):
    """The networks another run or release lends to the beginning of a run."""

    networks: dict[str, Tensor]  # names of `LearnerNetworks`; a release has no pose network
    stage: str  # what they were trained for, 'depth' or 'joint'
    passport: dict[str, Any]  # what a release of this run tells of it
    network: NetworkConfig  # how its student is built, and what its disparity means
    pose: dict[str, Any]  # fields of its PoseConfig; empty for a release
    size: tuple[int, int]  # width and height of the pictures they learnt from
    camera: Camera | None  # the one its depth is meant for; a release may not know it
    scale: str  # what told its depth in metres, `NO_SCALE` where nothing did
    brightness: float = 0.0  # that darker pictures are brought to before it sees them; 0 not known

    def began(self, run: dict[str, Any]) -> bool:
        """Whether the run of this passport grew from it: what it holds counts, not its name."""
        grew = run.get('started_from')
        if grew is None:
            return False
        return not changed_fields(grew, {name: self.passport.get(name) for name in grew})


def read_origin(path: str) -> Origin:
    """The networks of a state file (.pt) or of a release (.safetensors, 'demo')."""
    if path == 'demo' or path.endswith('.safetensors'):
        return _of_release(named_release(path))
    return _of_state(read_state(path))


def respelled(
    values: dict[str, Any], run: dict[str, Any], init_from: str | None
) -> dict[str, Any]:
    """A run's config `values` with this `init_from`, where both name what the run grew from.

    A run goes on under another path to the same networks; one that is still called the same goes
    on without them. `run` is its passport.
    """
    if not init_from or values.get('init_from') in (None, init_from):
        return values
    try:
        same = read_origin(init_from).began(run)
    except (ReleaseError, RunStateError):  # nothing to compare: it is told as another config
        return values
    return {**values, 'init_from': init_from} if same else values


def _of_release(release: Release) -> Origin:
    told = release.provenance
    known = {'release': release.digest, 'step': told.get('step')}
    known |= {'before': told.get('started_from')}
    direct = release.depth_scale == 1  # else its metres are not those of its disparity
    height, width = release.input_size
    return Origin(
        {f'student.{name}': each for name, each in release.weights.items()},
        told.get('config', {}).get('stage', 'joint'),
        known,
        release.network_config,
        pose={},
        size=(width, height),
        camera=release.camera,
        scale=told.get('depth_scale_source', NO_SCALE) if direct else NO_SCALE,
        brightness=release.brightness,
    )


def _of_state(state: dict[str, Any]) -> Origin:
    passport = json.loads(state['passport'])
    known = {'config_digest': state['config_digest'], 'step': state['step']}
    known |= {'weights_sha256': weights_digest(state['networks'], '')}
    known |= {'before': passport.get('started_from')}
    config = json.loads(state['config'])
    network = NetworkChoice(**config['network']).config()
    scale = passport.get('depth_scale_source', NO_SCALE)  # states of versions before it: unknown
    return Origin(
        state['networks'],
        config['stage'],
        known,
        network,
        pose=config['pose'],
        size=tuple(config['data']['size']),
        camera=Camera(**passport['camera']),
        scale=scale,
        brightness=passport.get('brightness', 0.0),
    )
