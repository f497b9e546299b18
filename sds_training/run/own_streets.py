"""Streets that a run renders for itself, before it begins."""

from __future__ import annotations

import shutil
from pathlib import Path

from sds_training.config import TrainingConfig
from sds_training.config_error import ConfigError
from sds_training.exit_codes import STOPPED
from sds_training.run.interruption import Interrupted


def render_streets(config: TrainingConfig) -> None:
    """Render the streets the config asks for as its data root, unless something is there."""
    root = Path(config.data.root).resolve()  # of a link, what it points to
    if not config.streets or (root.is_dir() and any(root.iterdir())):
        return
    if root.is_mount():
        raise ConfigError(f'data.root {root} is a mount point, wanted a folder in it for streets')
    from sds_training.streets.cli import main as streets  # Embree is for those who render

    part = root.with_name(f'{root.name}.part')  # nobody takes a half-rendered root for data
    shutil.rmtree(part, ignore_errors=True)
    width, height = config.data.size
    reach = f'--window={config.data.neighbour_gap + 1}'
    for split, snippets in (('train', config.streets), ('val', max(1, config.streets // 4))):
        first = 0 if split == 'train' else config.streets
        words = [f'--snippets={snippets}', f'--first={first}', f'--seed={config.seed}']
        words += [f'--size={width}x{height}', f'--split={split}', reach]
        code = streets([str(part), *words])
        if code:
            problem = Interrupted if code == STOPPED else ConfigError
            raise problem(f'streets for {root} could not be rendered to the end')
    part.replace(root)
