"""A run's state on disk: written atomically, the last few kept, refused when it is another run's.

Because everything random follows from seed and step, a state is the networks, the optimiser and
the step; no generator and no loader position has to be kept.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from sds_perception.atomic_file import write_atomically
from sds_training.config import TrainingConfig, layered_values
from sds_training.run.folder_lock import held
from sds_training.run.processes import by_first_alone

logger = logging.getLogger(__name__)

DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
KEPT = 2  # states on disk; the older one is there if the newest cannot be read
# These may change between the parts of one run. Which frames there are is in its passport.
UNIMPORTANT = ('run_dir', 'journal', 'fabric')
UNIMPORTANT_OF_DATA = ('root', 'cache', 'use_cache', 'workers')


class RunStateError(ValueError):
    """A state that cannot be continued from; the message says why and what to do."""


class DamagedStateError(RunStateError):
    """A file that was read and is no state; one that may not be read is another matter."""


def config_digest(config: TrainingConfig) -> str:
    """sha256 of everything in a config that decides what is learnt."""
    values = decisive(asdict(config))
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def decisive(values: dict[str, Any]) -> dict[str, Any]:
    """Of a config's plain values, those that decide what is learnt.

    Batches are told as all processes together see them: the same step on more devices is the same.
    """
    kept = {name: each for name, each in values.items() if name not in UNIMPORTANT}
    data, fabric = values['data'], values['fabric']
    processes = fabric['devices'] * fabric['num_nodes']
    whole = {name: processes * data[name] for name in ('labelled_batch', 'unlabelled_batch')}
    kept_data = {name: each for name, each in data.items() if name not in UNIMPORTANT_OF_DATA}
    how = {name: fabric[name] for name in ('accumulate', 'precision')}
    return kept | how | {'data': kept_data | whole}


@contextmanager
def only_run(run_dir: Path) -> Iterator[None]:
    """Make the folder of a run and hold it: a second run would write into the same files."""
    busy = RunStateError(
        f'another process is writing the run {run_dir}; wait for it, or choose another run_dir'
    )
    with ExitStack() as stack:
        try:
            run_dir.mkdir(parents=True, exist_ok=True)
            stack.enter_context(held(run_dir, busy))
        except OSError as problem:
            raise unwritable(run_dir, problem) from problem
        yield


def describe_run(run_dir: Path, documents: dict[str, dict[str, Any]]) -> None:
    """Write what describes a run into its folder, as JSON."""
    try:
        for name, values in documents.items():
            (run_dir / f'{name}.json').write_text(json.dumps(values, indent=1) + '\n')
    except OSError as problem:
        raise unwritable(run_dir, problem) from problem


def unwritable(run_dir: Path, problem: OSError) -> RunStateError:
    """What is said of a folder that no run can be written to."""
    return RunStateError(f'run_dir {run_dir} cannot be written ({problem}); choose another')


@contextmanager
def writing(run_dir: Path) -> Iterator[None]:
    """Tell in a sentence of a disk that takes no more of a run."""
    try:
        yield
    except OSError as problem:
        if problem.errno not in DISK_FAULTS:
            raise
        raise RunStateError(
            f'run_dir {run_dir} cannot be written any more ({problem}); saved states are '
            'untouched, and the same command continues once that is mended'
        ) from problem


def save_state(
    fabric: Fabric, config: TrainingConfig, state: dict[str, Any], passport: dict[str, Any]
) -> None:
    """Write `state` beside the config's digest; a full disk costs only the new file.

    No process goes on before the state is in place: Fabric's launcher kills the first once another
    has left with a code other than 0.
    """
    whole = {
        **state,
        'config': json.dumps(asdict(config)),
        'config_digest': config_digest(config),
        'passport': json.dumps(passport),
    }
    path = Path(config.run_dir, 'states', f'step_{state["step"]:08d}.pt')
    by_first_alone(fabric, lambda: _write_state(fabric, path, whole))


def _write_state(fabric: Fabric, path: Path, whole: dict[str, Any]) -> None:
    """Write one state atomically, and remove those that it makes superfluous."""
    write = fabric.strategy.save_checkpoint  # fabric.save waits for all processes
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob('*.partial'):  # by a process that was killed while writing
            left.unlink()
        write_atomically(path, lambda partial: write(partial, whole))
    except (OSError, RuntimeError) as problem:
        raise RunStateError(
            f'state {path} could not be written ({problem}); earlier states are untouched'
        ) from problem
    # What is there of later steps could not be read: by its number it would push out this one.
    older = [each for each in saved_states(path.parents[1]) if each < path]
    for old in older[: 1 - KEPT]:
        old.unlink(missing_ok=True)


def saved_states(run_dir: str | os.PathLike[str]) -> list[Path]:
    """The complete states of a run, oldest first."""
    return sorted(Path(run_dir, 'states').glob('step_*.pt'))


def read_state(path: str | os.PathLike[str]) -> dict[str, Any]:
    """One state file, loaded without unpickling code."""
    if not Path(path).is_file():
        raise RunStateError(f'state {path} does not exist or is not a file')
    try:
        state = torch.load(path, map_location='cpu', weights_only=True)
    except OSError as problem:
        raise RunStateError(f'state {path} cannot be opened ({problem})') from problem
    except Exception as problem:  # torch raises its own kinds for every sort of damage
        raise DamagedStateError(f'state {path} is damaged or no state of a run') from problem
    if not isinstance(state, dict) or 'config_digest' not in state:
        raise DamagedStateError(f'state {path} is a torch file but no state of a run')
    return state


def newest_readable(run_dir: str | os.PathLike[str]) -> dict[str, Any] | None:
    """The newest state in a folder that is not damaged, or None where there are no states.

    Raises:
        RunStateError: where there are states and none can be read.
    """
    paths = saved_states(run_dir)
    for path in reversed(paths):
        try:
            state = read_state(path)
        except DamagedStateError as problem:
            logger.warning('%s', problem)
            continue
        if path != paths[-1]:
            logger.warning('taking the older %s in its place', path.name)
        return state
    if paths:
        raise RunStateError(
            f'all states in {paths[0].parent} are damaged ({", ".join(p.name for p in paths)}); '
            'delete them to start over, or choose another run_dir'
        )
    return None


def require_same_config(config: TrainingConfig, values: dict[str, Any]) -> None:
    """Refuse a run folder whose content was made by another config, of these plain values.

    A field that the version which began the run did not know counts as its default.
    """
    known = layered_values(asdict(TrainingConfig(config.run_dir)), values)
    changed = changed_fields(decisive(known), decisive(asdict(config)))
    if changed:
        raise RunStateError(
            f'{config.run_dir} holds a run with another config ({", ".join(changed)}); '
            'choose another run_dir, or init_from to start from its networks'
        )


def require_same_data(run_dir: str, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse to continue on other frames or behind another camera: two passports of one run."""
    old, new = ({name: each.get(name) for name in ('data', 'camera')} for each in (before, now))
    changed = ', '.join(changed_fields(old, new))
    if changed:
        raise RunStateError(
            f'{run_dir} holds a run that began on other data ({changed} changed since); '
            'restore them, or choose another run_dir'
        )


def changed_fields(old: dict[str, Any], new: dict[str, Any], prefix: str = '') -> list[str]:
    """Dotted names of the fields that differ."""
    changed = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            changed += changed_fields(before, after, f'{prefix}{name}.')
        elif json.dumps(before) != json.dumps(after):
            changed.append(f'{prefix}{name}')
    return changed
