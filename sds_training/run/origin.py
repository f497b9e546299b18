"""What another run, or a release, lends to the beginning of a run."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from torch import Tensor

from sds_perception.network import NetworkConfig
from sds_perception.release import read_release, weights_digest
from sds_training.network_choice import NetworkChoice
from sds_training.run.run_state import read_state


class Origin(NamedTuple):
    """The networks another run or release lends to the beginning of a run."""

    networks: dict[str, Tensor]  # names of `LearnerNetworks`; a release has no pose network
    stage: str  # what they were trained for, 'depth' or 'joint'
    passport: dict[str, Any]  # what a release of this run tells of it
    network: NetworkConfig  # how its student is built, and what its disparity means
    pose: dict[str, Any]  # fields of its PoseConfig; empty for a release


def read_origin(path: str) -> Origin:
    """The networks of a state file (.pt) or of a release (.safetensors)."""
    if path.endswith('.safetensors'):
        release = read_release(path)
        networks = {f'student.{name}': each for name, each in release.weights.items()}
        known = {'release': release.digest, 'step': release.provenance.get('step')}
        stage = release.provenance.get('config', {}).get('stage', 'joint')
        known |= {'before': release.provenance.get('started_from')}
        return Origin(networks, stage, known, release.network_config, {})
    state = read_state(path)
    known = {'config_digest': state['config_digest'], 'step': state['step']}
    known |= {'weights_sha256': weights_digest(state['networks'], '')}
    known |= {'before': json.loads(state['passport']).get('started_from')}
    config = json.loads(state['config'])
    network = NetworkChoice(**config['network']).config()
    return Origin(state['networks'], config['stage'], known, network, config['pose'])
