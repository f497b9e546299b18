"""int8 from the user's own frames: ONNX Runtime's static quantisation, kept in the cache.

Convolutions and what lies between them are quantised, weights per channel; the exchange's
products and everything after the heads stay in float32. The graph is the plain one: OpenVINO runs
it a quarter quicker than the streamlined one, ONNX Runtime as fast. Formats: unsigned activations
with 7-bit weights for CPUs without VNNI, whose 16-bit sums would saturate otherwise; signed
symmetric ones for TensorRT, which takes no others.
"""

from __future__ import annotations

import hashlib
import inspect
import io
import logging
import os
import shlex
import sys
from contextlib import redirect_stdout
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sds_perception.atomic_file import write_atomically
from sds_perception.engines import EngineError, Precision
from sds_perception.engines.export import (
    INPUT,
    GraphShape,
    code_of,
    exported_onnx,
    onnx_path,
    require_writable,
)
from sds_perception.release import Release

log = logging.getLogger(__name__)

QUANTISED = ['Conv', 'Relu', 'Add', 'MaxPool', 'Resize']
KEPT_FRAMES = 4  # so many are kept beside the graph, for the parity gate at every start
METHODS = ('percentile', 'minmax')  # the first where nobody says


def calibrated_path(
    release: Release,
    shape: GraphShape,
    cache: str | os.PathLike[str] | None,
    provider: str = 'cpu',
) -> Path:
    """Where the cache keeps the int8 graph of this release and shape for 'cpu' or 'tensorrt'.

    Named by what quantises it as well: ranges found another way make another graph.
    """
    ours = code_of(inspect.getsource(sys.modules[__name__]))
    number = hashlib.sha256(ours.encode()).hexdigest()[:8]
    exported = onnx_path(release, shape, cache)
    return exported.with_name(f'{exported.stem}-int8-{provider}-{number}.onnx')


def onnx_graph(
    release: Release,
    shape: GraphShape,
    cache: str | os.PathLike[str] | None,
    precision: Precision,
    provider: str = 'cpu',
) -> Path:
    """What to run in `precision`: for int8 what was calibrated before, else exported if needed."""
    if precision == 'int8':
        return calibrated_onnx(release, shape, cache, provider)
    return exported_onnx(release, shape, cache)


def calibrated_onnx(
    release: Release,
    shape: GraphShape,
    cache: str | os.PathLike[str] | None,
    provider: str = 'cpu',
) -> Path:
    """The int8 graph built before, or a refusal that says how to build it."""
    path = calibrated_path(release, shape, cache, provider)
    if not path.is_file():
        raise EngineError(
            f'precision int8 is not calibrated for this release at {shape}: '
            f'run {_calibrating(release, shape, cache, provider)}'
        )
    return path


def _calibrating(
    release: Release, shape: GraphShape, cache: str | os.PathLike[str] | None, provider: str
) -> str:
    """The command that puts this very graph into this cache."""
    (height, width), words = shape.input_size, ['sds-engine build RELEASE --precision int8']
    if provider == 'tensorrt':
        words.append('--device cuda --provider tensorrt')
    if shape.input_size != release.input_size:
        words.append(f'--input-size {width}x{height}')
    if shape.detail != 'fast':
        words.append(f'--detail {shape.detail}')
    if cache:
        words.append(f'--cache {shlex.quote(str(cache))}')
    return ' '.join([*words, '--calibrate FRAMES'])


def kept_frames(graph: Path) -> NDArray[np.uint8] | None:
    """(N, H, W, 3) of the frames that `graph` was calibrated on; None for a graph without them.

    The ranges of an int8 graph are those of the user's camera. On pictures of another kind it
    may disagree with the reference though it serves the vehicle well, and the other way round.

    Raises:
        EngineError: a damaged file.
    """
    path = _beside(graph)
    if not path.is_file():
        return None
    try:
        return np.load(path)
    except (ValueError, EOFError, OSError) as problem:
        raise EngineError(
            f'calibration frames {path} cannot be read: {problem}; delete the file and calibrate '
            'again with sds-engine build RELEASE --precision int8 --calibrate FRAMES'
        ) from problem


def _beside(graph: Path) -> Path:
    return graph.with_suffix('.frames.npy')


def calibrate(
    release: Release,
    shape: GraphShape,
    frames: NDArray[np.uint8],
    cache: str | os.PathLike[str] | None = None,
    method: str = METHODS[0],
    provider: str = 'cpu',
) -> Path:
    """Quantise the exported graph to int8 with the ranges `frames` (N, H, W, 3) show.

    Args:
        release: what to quantise.
        shape: of the graph; `frames` must have its input size.
        frames: the user's, some dozens that show what the vehicle will see.
        cache: folder of built engines; None is the user's.
        method: 'percentile' (99.99) or 'minmax' for the ranges.
        provider: 'cpu' (ONNX Runtime and OpenVINO) or 'tensorrt', whose formats differ.

    Returns:
        The file, atomically put into the cache; an older one is replaced.
    """
    if method not in METHODS:
        raise EngineError(f'calibration method is {method!r}, wanted one of {METHODS}')
    if frames.shape[1:] != (*shape.input_size, 3) or not len(frames):
        raise EngineError(
            f'calibration frames are {frames.shape}, wanted (N, {shape.input_size}, 3)'
        )
    exported = exported_onnx(release, shape, cache)
    path = calibrated_path(release, shape, cache, provider)
    require_writable(path.parent)
    began = perf_counter()
    log.info('engine: calibrating int8 on %d frames, this takes some seconds', len(frames))
    reader = _reader(frames)
    some = frames[:: -(-len(frames) // KEPT_FRAMES)]
    write_atomically(_beside(path), lambda partial: _write_frames(partial, some))
    for_cpu = provider == 'cpu'
    write_atomically(path, lambda partial: _quantise(exported, partial, reader, method, for_cpu))
    log.info('engine: calibrated in %.1f s to %s', perf_counter() - began, path)
    return path


def _write_frames(path: Path, frames: NDArray[np.uint8]) -> None:
    with path.open('wb') as file:  # by its name numpy would append a suffix
        np.save(file, frames)


def _quantise(source: Path, target: Path, reader: Any, method: str, for_cpu: bool) -> None:
    from onnxruntime import quantization as q

    methods = {'minmax': q.CalibrationMethod.MinMax, 'percentile': q.CalibrationMethod.Percentile}
    quiet, level = logging.getLogger(), logging.getLogger().level
    quiet.setLevel(logging.ERROR)  # the quantiser warns once per tensor through the root logger
    try:
        with redirect_stdout(io.StringIO()):  # it talks to no log
            q.quantize_static(
                str(source),
                str(target),
                reader,
                quant_format=q.QuantFormat.QDQ,
                op_types_to_quantize=QUANTISED,
                per_channel=True,
                reduce_range=for_cpu,
                activation_type=q.QuantType.QUInt8 if for_cpu else q.QuantType.QInt8,
                weight_type=q.QuantType.QInt8,
                calibrate_method=methods[method],
                extra_options={
                    'ActivationSymmetric': not for_cpu,
                    'CalibPercentile': 99.99,
                    'CalibStridedMinMax': 1,  # of either method: all frames at once take gigabytes
                    'QuantizeBias': for_cpu,  # int32: not for TensorRT (onnxruntime issue 17738)
                },
            )
    except Exception as problem:  # of many kinds, where the exported graph is damaged
        raise EngineError(
            f'cannot quantise {source}, which is built again once it is deleted: {problem}'
        ) from problem
    finally:
        quiet.setLevel(level)


def _reader(frames: NDArray[np.uint8]) -> Any:
    """What onnxruntime asks for the frames, one by one."""
    from onnxruntime.quantization import CalibrationDataReader

    class Frames(CalibrationDataReader):
        def __len__(self) -> int:
            return len(frames)

        def set_range(self, start_index: int, end_index: int) -> None:
            self._rest = iter(frames[start_index:end_index])

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            frame = next(self._rest, None)
            return None if frame is None else {INPUT: frame[None]}

    return Frames()
