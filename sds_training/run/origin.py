"""What another run, or a release, lends to the beginning of a run."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from torch import Tensor

from sds_perception.camera import Camera
from sds_perception.network import NetworkConfig
from sds_perception.release import Release, named_release, weights_digest
from sds_training.export import NO_SCALE
from sds_training.network_choice import NetworkChoice
from sds_training.run.run_state import read_state


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


def read_origin(path: str) -> Origin:
    """The networks of a state file (.pt) or of a release (.safetensors, 'demo')."""
    if path == 'demo' or path.endswith('.safetensors'):
        return _of_release(named_release(path))
    return _of_state(read_state(path))


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
