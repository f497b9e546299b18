"""A release as one ONNX file: uint8 frames in, small maps out, every shape fixed.

Exporting takes seconds, so files are kept in a cache folder under a name that says everything
the file depends on: release, shape, detail, type of number, our own sources and the versions of
timm and of the exporter.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import io
import json
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import timm
import torch
from torch import Tensor, nn

from sds_perception import network
from sds_perception.atomic_file import write_atomically
from sds_perception.engines import EngineError, folding, graph, streamline
from sds_perception.engines.folding import folded
from sds_perception.engines.graph import Detail, VehicleGraph
from sds_perception.engines.streamline import streamlined
from sds_perception.release import Release, weights_digest

log = logging.getLogger(__name__)

OPSET = 18
INPUT = 'frames'
OUTPUTS = ('labels', 'confidence', 'disparity', 'logits')  # the last only if 'fine'


@dataclass(frozen=True)
class GraphShape:
    """What is fixed in an exported graph, of one frame, besides the release."""

    input_size: tuple[int, int]  # (H, W)
    detail: Detail = 'fast'
    half: bool = False  # float16 weights and activations, for CUDA and TensorRT
    streamlined: bool = False  # rewritten by streamline.py

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the graph's outputs, in the order of `EngineOutput`."""
        return OUTPUTS if self.detail == 'fine' else OUTPUTS[:-1]

    def __str__(self) -> str:
        height, width = self.input_size
        number = 'fp16' if self.half else 'fp32'
        form = 'streamlined' if self.streamlined else 'plain'
        return f'1x{height}x{width}-{self.detail}-{form}-{number}'


def cache_folder(cache: str | os.PathLike[str] | None = None) -> Path:
    """The folder for built engines: `cache`, or the user's cache; it need not exist."""
    base = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
    return Path(cache).expanduser() if cache else base / 'sds_perception' / 'engines'


def require_writable(folder: Path) -> None:
    """Make the folder if it is missing; what is built already is read from a read-only one.

    Raises:
        EngineError: when it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise EngineError(f'engine cache {folder} cannot be made: {problem}') from problem
    if not os.access(folder, os.W_OK):
        raise EngineError(f'engine cache {folder} cannot be written; set another with `cache`')


def release_key(release: Release) -> str:
    """Sixteen hex digits that change with any weight; of releases never written as well."""
    passport = json.dumps(release.passport(), sort_keys=True)
    return (release.digest or weights_digest(release.weights, passport))[:16]


def exported_onnx(
    release: Release, shape: GraphShape, cache: str | os.PathLike[str] | None = None
) -> Path:
    """The ONNX file of `release` with `shape`, from the cache or exported into it."""
    path = onnx_path(release, shape, cache)
    if path.is_file():
        log.info('engine: exported graph %s is in the cache', path)
        return path
    require_writable(path.parent)
    began = perf_counter()
    log.info('engine: exporting %s to ONNX, this takes some seconds', shape)
    model = onnx_model(release, shape)
    write_atomically(path, lambda partial: partial.write_bytes(model.SerializeToString()))
    log.info('engine: exported in %.1f s to %s', perf_counter() - began, path)
    return path


def onnx_path(
    release: Release, shape: GraphShape, cache: str | os.PathLike[str] | None = None
) -> Path:
    """Where the cache keeps this graph; named by all it depends on, our own sources included."""
    parts = (network.model, network.encoder, network.decoder, network.ccam, network.heads)
    sources = (*parts, folding, graph, streamline, sys.modules[__name__])
    written = ''.join(code_of(inspect.getsource(module)) for module in sources)
    ours = hashlib.sha256(written.encode()).hexdigest()[:8]
    versions = f'timm{timm.__version__}-{_exporter_versions()}'
    name = f'{release_key(release)}-{shape}-{ours}-{versions}.onnx'
    return cache_folder(cache) / name


def code_of(source: str) -> str:
    """What of a module's source can change what it does: neither comments nor docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


def onnx_model(release: Release, shape: GraphShape) -> Any:
    """The graph as an `onnx.ModelProto`, BatchNorm folded into the convolutions."""
    rewrite = streamlined if shape.streamlined else folded
    network = rewrite(release.network())
    vehicle = VehicleGraph(network, shape.detail, turn_bytes=shape.streamlined)
    return onnx_of(
        vehicle.half() if shape.half else vehicle,
        torch.zeros((1, *shape.input_size, 3), dtype=torch.uint8),
        shape.outputs,
    )


def onnx_of(module: nn.Module, frames: Tensor, outputs: Sequence[str]) -> Any:
    """Any module that takes `frames`, as an `onnx.ModelProto` of exactly that shape."""
    _exporter_versions()
    talk = io.StringIO()  # the exporter prints its progress; ours goes through logging
    with torch.no_grad(), warnings.catch_warnings(), redirect_stdout(talk):
        warnings.simplefilter('ignore')
        program = torch.onnx.export(
            module.eval(),
            (frames,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=list(outputs),
            verbose=False,
        )
    if program is None:
        raise EngineError(f'torch exported nothing: {talk.getvalue()[-300:]}')
    return program.model_proto


def _exporter_versions() -> str:
    """Versions of what shapes the file; refuses when a part of the exporter is missing."""
    try:
        import onnx
        import onnxscript
    except ImportError as problem:
        raise EngineError(
            f'exporting to ONNX needs the package {problem.name}; '
            'install onnx and onnxscript or use engine torch'
        ) from problem
    torch_version = torch.__version__.split('+')[0]
    return f'torch{torch_version}-onnx{onnx.__version__}-script{onnxscript.__version__}'
