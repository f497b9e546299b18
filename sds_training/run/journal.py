"""What a run tells: JSON lines as the record, TensorBoard, a progress line, pictures."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

RGB = NDArray[np.uint8]


class Journal:
    """Writes to `run_dir`: journal.jsonl, tensorboard/, pictures/; and tells people on stderr.

    Args:
        run_dir: made if missing.
        first_step: where this part of the run starts; records from later steps of an
            interrupted part are dropped, they are about to be written again.
        last_step: for the progress bar and the remaining time.
    """

    def __init__(self, run_dir: Path, first_step: int, last_step: int) -> None:
        run_dir.mkdir(parents=True, exist_ok=True)
        self.run_dir, self.last_step = run_dir, last_step
        self._first, self._began = first_step, time.monotonic()
        self._lines = self._reopened(run_dir / 'journal.jsonl', first_step)
        self._board = SummaryWriter(str(run_dir / 'tensorboard'), purge_step=first_step + 1)
        self._bar: tqdm | None = None
        if sys.stderr.isatty():
            self._bar = tqdm(total=last_step, initial=first_step, unit='step')

    @staticmethod
    def _reopened(path: Path, first_step: int) -> Any:
        kept = [line for line in _whole_lines(path) if json.loads(line)['step'] <= first_step]
        path.write_text(''.join(line + '\n' for line in kept))
        return path.open('a', buffering=1)

    def record(self, step: int, kind: str, figures: dict[str, float]) -> None:
        """Note `figures` after `step` steps; `kind` is 'train' or 'evaluate'."""
        figures = {name: round(float(value), 6) for name, value in figures.items()}
        self._lines.write(json.dumps({'step': step, 'kind': kind, **figures}) + '\n')
        for name, value in figures.items():
            self._board.add_scalar(f'{kind}/{name}', value, step)
        told = '  '.join(f'{name} {value:.4g}' for name, value in figures.items())
        if self._bar is None:
            print(f'{kind} {step}/{self.last_step}  {told}  {self._left(step)}', file=sys.stderr)
        elif kind == 'train':
            self._bar.set_postfix_str(told, refresh=False)
        else:
            tqdm.write(told, file=sys.stderr)

    def moved_on(self) -> None:
        """Advance the progress bar by a step, on a terminal."""
        if self._bar is not None:
            self._bar.update()

    def picture(self, step: int, name: str, rgb: RGB) -> None:
        """Keep a picture, (H, W, 3) RGB, as pictures/NAME_STEP.png and in TensorBoard."""
        folder = self.run_dir / 'pictures'
        folder.mkdir(exist_ok=True)
        _, png = cv2.imencode('.png', rgb[..., ::-1])
        (folder / f'{name}_{step:08d}.png').write_bytes(png.tobytes())  # imwrite fails silently
        self._board.add_image(name, rgb, step, dataformats='HWC')

    def _left(self, step: int) -> str:
        done = step - self._first
        if done < 1:
            return ''
        seconds = (time.monotonic() - self._began) / done
        left = seconds * (self.last_step - step)
        return f'{seconds:.2f} s/step, {left / 60:.0f} min left'

    def close(self) -> None:
        """Flush and end the bar."""
        self._lines.close()
        self._board.close()
        if self._bar is not None:
            self._bar.close()


class Lap:
    """Means of the terms since the last record, seconds per step, and the share of waiting."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._began, self._waited, self._steps = time.perf_counter(), 0.0, 0
        self._terms: dict[str, list[Tensor]] = {}

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count what happens inside as waiting for data."""
        asked = time.perf_counter()
        yield
        self._waited += time.perf_counter() - asked

    def add(self, terms: dict[str, Tensor]) -> None:
        """Note one step; a term may be missing where a batch had nothing for it."""
        self._steps += 1
        for name, value in terms.items():
            self._terms.setdefault(name, []).append(value)

    def finish(self) -> dict[str, float]:
        """Figures of this lap; starts the next one."""
        spent = time.perf_counter() - self._began
        told = {name: _mean_told(each) for name, each in self._terms.items()}
        means = {name: mean for name, mean in told.items() if mean is not None}
        times = {'s_per_step': spent / self._steps, 'loader_share': self._waited / spent}
        self._start()
        return {**means, **times}


def _mean_told(each: list[Tensor]) -> float | None:
    """The mean of a term's numbers; a skipped step has none, and must not hide the others."""
    values = torch.stack(each)
    values = values[values.isfinite()]
    return float(values.mean()) if len(values) else None


def _whole_lines(path: Path) -> list[str]:
    """Complete JSON lines of an earlier part; a kill may have cut the last one."""
    if not path.exists():
        return []
    lines = path.read_text().splitlines()
    return [line for line in lines if line.startswith('{') and line.endswith('}')]
