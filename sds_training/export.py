"""From a run's state to the one file a vehicle needs, with its passport."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from sds_perception.camera import Camera
from sds_perception.labels import SKY
from sds_perception.release import Release, ReleaseError, require_new, write_release
from sds_training.class_bias import HEAD_BIAS, ClassBias, debiased_head
from sds_training.command_line import read_config
from sds_training.config import TrainingConfig
from sds_training.exit_codes import REFUSED
from sds_training.run.run_state import RunStateError, config_digest, newest_readable, read_state

Which = Literal['teacher', 'student']
NO_SCALE = 'none'  # the passport's word where nothing tells depth in metres
NEVER = -1e4  # a score that no other falls below, within the reach of float16


def released_network(config: TrainingConfig) -> Which:
    """Whose weights a run releases: depth pre-training has no teacher."""
    return 'teacher' if config.stage == 'joint' else 'student'


def release_of(
    config: TrainingConfig,
    weights: dict[str, Tensor],
    passport: dict[str, Any],
    class_mean: Tensor | None = None,
    scores: dict[str, float] | None = None,
) -> Release:
    """A release of `weights`.

    Args:
        config: the run's.
        weights: state dict of the student or of the teacher.
        passport: what `train` knew of data, camera and code when the run began.
        class_mean: (K,) `ClassBias.prior` of the teacher; `release_debias` wants it.
        scores: of this very network, if it was evaluated.
    """
    width, height = config.data.size
    scale = passport.get('depth_scale_source') or scale_source(config)
    if config.release_debias:
        assert class_mean is not None
        weights = debiased_head(weights, class_mean, config.release_debias)
    if config.stage == 'depth':
        weights = without_sky(weights)
    provenance = {
        'trained': True,
        'step': passport['step'],
        'network': passport['which'],
        'commit': passport['commit'],
        'config': asdict(config),
        'config_digest': config_digest(config),
        'data': passport['data'],
        'started_from': passport.get('started_from'),
        'depth_scale_source': scale,
        'scores': scores or {},
    }
    return Release(
        network_config=config.network.config(),
        weights=halved(weights) if config.release_weights == 'float16' else weights,
        input_size=(height, width),
        depth_kind='relative' if scale == NO_SCALE else 'metric',
        camera=Camera(**passport['camera']),
        brightness=passport.get('brightness', 0.0),  # states of before do not know it
        provenance=provenance,
    )


def scale_source(config: TrainingConfig) -> str:
    """What tells a run of this config metres, by itself; `NO_SCALE` where nothing does."""
    return ' and '.join(config.scale_sources) or NO_SCALE


def without_sky(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same network, which never says sky: what is sky has no depth on the vehicle.

    Nobody taught the semantics of depth pre-training, which would say it of anything.
    """
    bias = weights[HEAD_BIAS].clone()
    bias[SKY] = NEVER
    return {**weights, HEAD_BIAS: bias}


def halved(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same with kernels in float16; one number per channel, such as a variance, stays."""
    return {n: each.half() if each.ndim > 1 else each for n, each in weights.items()}


def code_version() -> str:
    """The commit the code is at, with '+changes' where it is not clean; 'unknown' outside git."""
    folder = Path(__file__).parent
    try:
        told = subprocess.run(
            ['git', 'describe', '--always', '--abbrev=12', '--dirty=+changes'],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'
    return told.stdout.strip()


def export(
    run_dir: Path, output: Path, which: Which | None = None, state_file: Path | None = None
) -> str:
    """Write the release of a run's newest readable (or the given) state; return its digest.

    `which` is the network that the run itself releases if it is None.
    """
    state = read_state(state_file) if state_file else newest_readable(run_dir)
    if state is None:
        raise RunStateError(f'{run_dir} holds no saved state of a run')
    config = config_of(state)
    which = which or released_network(config)
    weights = state['teacher'] if which == 'teacher' else student_weights(state['networks'])
    passport = {**json.loads(state['passport']), 'step': state['step'], 'which': which}
    prior = ClassBias.restored(state['class_bias']).prior if config.release_debias else None
    return write_release(output, release_of(config, weights, passport, prior))


def student_weights(networks: dict[str, Tensor]) -> dict[str, Tensor]:
    """The student's part of `LearnerNetworks`' state dict."""
    prefix = 'student.'
    return {n.removeprefix(prefix): each for n, each in networks.items() if n.startswith(prefix)}


def config_of(state: dict[str, Any]) -> TrainingConfig:
    """The config a state was saved under."""
    words = [
        f'--{name}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}'
        for name, value in json.loads(state['config']).items()
        if value is not None
    ]
    return read_config(words, 'sds-export')


def main(arguments: list[str] | None = None) -> int:
    """`sds-export RUN_DIR OUTPUT`; exit code 2 with one sentence where it cannot."""
    parser = argparse.ArgumentParser(
        prog='sds-export', description='Write the release of a training run.'
    )
    parser.add_argument('run_dir', type=Path, help='folder of the run')
    parser.add_argument(
        'output', type=Path, help='release file to write (.safetensors), a new one'
    )
    parser.add_argument(
        '--network',
        choices=('teacher', 'student'),
        help="whose weights (default: the teacher's; the student's of depth pre-training)",
    )
    parser.add_argument('--state', type=Path, help='a state file other than the newest')
    words = parser.parse_args(arguments)
    try:
        require_new(words.output, 'second')
        digest = export(words.run_dir, words.output, words.network, words.state)
    except (RunStateError, ReleaseError, OSError) as problem:
        print(f'sds-export: {problem}', file=sys.stderr)
        return REFUSED
    print(f'{words.output}  {digest}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
