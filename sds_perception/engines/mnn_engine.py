"""A release in MNN: on the CPU, in float32, with Winograd's convolutions.

Optional (the package `MNN`). Direct convolutions end at what the processor multiplies; Winograd's
need fewer products, so that dense networks pass that ceiling on CPUs without bfloat16
(docs/performance.md). Their sums cancel, the more the larger the tiles: large ones are the
precision 'winograd', the smallest round like float32 elsewhere and are 'fp32'.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sds_perception.atomic_file import write_atomically
from sds_perception.engines import (
    EngineError,
    EngineOutput,
    Precision,
    one_by_one,
    require_frames,
    required,
)
from sds_perception.engines.export import GraphShape, exported_onnx, require_writable
from sds_perception.engines.graph import Detail
from sds_perception.engines.precision import require_precision
from sds_perception.release import Release

log = logging.getLogger(__name__)

# Its hint 3, how much memory Winograd's convolutions may take, is what sets the size of the tiles.
TILES_HINT, TILES = 3, {'winograd': 3, 'fp32': 1}
# MNN's own command of this name reports its use to the maker's servers; the module behind it does
# not. In a process of its own, since it talks, and ends the process where it fails.
CONVERTS = 'import sys, _tools; _tools.mnnconvert(["mnnconvert", *sys.argv[1:]])'
ONE_TALKS = threading.Lock()  # or one thread would take the other's stderr for its stdout


class MnnEngine:
    """A release as a static graph with buffers made once; not for several threads at a time.

    Args:
        release: what to run.
        device: 'cpu'; MNN's GPUs have not been tried and are refused.
        input_size: (H, W); the release's own where None.
        detail: 'fast' or 'fine' (class scores as well).
        precision: 'winograd' (None) or 'fp32'.
        threads: CPU threads of one call; 0 takes all cores.
        cache: folder for exported and converted graphs; None is the user's cache.

    Raises:
        EngineError: when it cannot be had here; nothing replaces it.
    """

    def __init__(
        self,
        release: Release,
        device: str = 'cpu',
        *,
        input_size: tuple[int, int] | None = None,
        detail: Detail = 'fast',
        precision: Precision | None = None,
        threads: int = 0,
        cache: str | os.PathLike[str] | None = None,
    ) -> None:
        require_mnn(device)
        self.precision = require_precision(precision, 'mnn cpu')
        self.input_size = input_size or release.input_size
        shape = GraphShape(self.input_size, detail, streamlined=True)
        self.graph_file = converted(exported_onnx(release, shape, cache))
        self._net, self._session = _opened(self.graph_file, self.precision, threads)
        self._frame = self._net.getSessionInput(self._session).getNumpyData()  # its own memory
        found = self._net.getSessionOutputAll(self._session)
        self._outputs = [(found[name], _host_tensor(found[name])) for name in shape.outputs]
        self.name = f'mnn cpu {self.precision}'

    def __call__(self, frames: NDArray[np.uint8]) -> EngineOutput:
        """Run on (B, H, W, 3) uint8 RGB of `input_size`; any B."""
        require_frames(frames, self.input_size)
        return one_by_one(self._run, frames)

    def _run(self, frame: NDArray[np.uint8]) -> list[NDArray[Any]]:
        """One run of the graph on (H, W, 3)."""
        self._frame[0] = frame
        self._net.runSession(self._session)
        for of_session, of_host in self._outputs:
            of_session.copyToHostTensor(of_host)
        # Copied: these views do not keep alive what they show, which goes with the engine.
        return [of_host.getNumpyData().copy() for _, of_host in self._outputs]


def require_mnn(device: str) -> None:
    """Refuse a device that is not the CPU, and an installation without MNN."""
    if device != 'cpu':
        raise EngineError(f"device is '{device}', engine mnn runs on 'cpu' only")
    _runtime()


def converted(exported: Path) -> Path:
    """MNN's own file of an exported graph, from the cache or made beside it."""
    path = exported.with_name(f'{exported.stem}-mnn{metadata.version("MNN")}.mnn')
    if not path.is_file():
        require_writable(path.parent)
        write_atomically(path, lambda partial: _convert(exported, partial))
        log.info('engine: converted to %s', path)
    return path


def _convert(exported: Path, target: Path) -> None:
    words = ['-f', 'ONNX', '--modelFile', str(exported), '--MNNModel', str(target)]
    # -P: a file named _tools.py in the folder at hand is none of ours.
    command = [sys.executable, '-P', '-c', CONVERTS, *words, '--bizCode', 'sds']
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode or not target.stat().st_size:
        said = (done.stdout + done.stderr).strip()[-300:]
        raise EngineError(
            f'MNN cannot convert {exported}, which is exported again once it is deleted: {said}'
        )


def _opened(path: Path, precision: Precision, threads: int) -> tuple[Any, Any]:
    """The graph and a session of it, planned for its one shape."""
    runtime, began = _runtime(), perf_counter()
    options = {
        'backend': 'CPU',
        'numThread': threads or len(os.sched_getaffinity(0)),
        'precision': 'high',
    }
    try:
        with talk_on_stderr():
            net = runtime.Interpreter(str(path))
            net.setSessionHint(TILES_HINT, TILES[precision])
            session = net.createSession(options)
    except Exception as problem:  # MNN raises nothing narrower
        raise EngineError(
            f'MNN cannot run {path}, which is built again once it is deleted: {problem}'
        ) from problem
    log.info('engine: mnn %s ready in %.1f s', precision, perf_counter() - began)
    return net, session


def _host_tensor(output: Any) -> Any:
    """Room on the host for one output, in the order of its shape."""
    runtime, shape = _runtime(), output.getShape()
    kind = output.getNumpyData().dtype
    number = runtime.Halide_Type_Uint8 if kind == np.uint8 else runtime.Halide_Type_Float
    zeros = np.zeros(shape, kind)
    return runtime.Tensor(shape, number, zeros, runtime.Tensor_DimensionType_Caffe)


def _runtime() -> Any:
    with talk_on_stderr():
        return required('MNN', 'mnn')


@contextmanager
def talk_on_stderr() -> Iterator[None]:
    """What MNN prints goes to stderr: stdout is for the figures of our commands."""
    with ONE_TALKS:
        sys.stdout.flush()
        kept = os.dup(1)
        try:
            os.dup2(2, 1)
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)
