"""The one file a vehicle needs: weights and everything required to use them, checked on reading.

A release is a safetensors file whose metadata holds one JSON document, the passport. Nothing is
ever unpickled. The digest covers every tensor and the passport, so a bit that flipped is noticed.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sds_perception.atomic_file import write_atomically
from sds_perception.camera import Camera
from sds_perception.labels import CLASSES
from sds_perception.network import NetworkConfig, SdsNetwork, build_network
from sds_perception.scene import DepthKind

FORMAT = 'sds-release-1'
DEMO = Path(__file__).parent / 'releases' / 'demo.safetensors'  # ships with the package
CLASS_TABLE = [[each.name, list(each.color)] for each in CLASSES]


class ReleaseError(ValueError):
    """A file that is not a usable release; the message says what is wrong with which file."""


@dataclass(frozen=True)
class Release:
    """A trained network and its passport."""

    network_config: NetworkConfig
    weights: dict[str, Tensor]  # names and shapes of `build_network(network_config)`
    input_size: tuple[int, int]  # (H, W) the network was trained for
    depth_kind: DepthKind
    depth_scale: float = 1.0  # metres (metric) or units (relative) per unit of network depth
    camera: Camera | None = None  # training camera at `input_size`
    brightness: float = 0.0  # `intensity` that darker frames are brought to; 0: none are
    provenance: dict[str, Any] = field(default_factory=dict)  # commit, digests, scores, trained
    digest: str = ''  # sha256 of weights and passport; filled in by reading and writing

    def __post_init__(self) -> None:
        multiple = self.network_config.size_multiple
        if min(self.input_size) < multiple or any(side % multiple for side in self.input_size):
            raise ReleaseError(
                f'release input size is {self.input_size}, wanted multiples of {multiple}'
            )
        if self.depth_kind not in ('relative', 'metric'):
            raise ReleaseError(
                f"release depth kind is {self.depth_kind!r}, wanted 'relative' or 'metric'"
            )
        if not 0 < self.depth_scale < math.inf:
            raise ReleaseError(f'release depth scale is {self.depth_scale}, wanted a positive one')
        if self.camera and (self.camera.height, self.camera.width) != tuple(self.input_size):
            raise ReleaseError(
                f'release camera is of (H, W) = ({self.camera.height}, {self.camera.width}), '
                f'wanted that of the input size {self.input_size}: its metres would be wrong'
            )
        if not 0 <= self.brightness <= 1:
            raise ReleaseError(f'release brightness is {self.brightness}, wanted 0 to 1')
        if self.network_config.classes != len(CLASSES):
            raise ReleaseError(
                f'release network has {self.network_config.classes} classes, '
                f'its class table {len(CLASSES)}'
            )

    @property
    def trained(self) -> bool:
        """Whether the weights come from training rather than from a random start."""
        return bool(self.provenance.get('trained', False))

    def network(self) -> SdsNetwork:
        """The network with these weights, in eval mode on the CPU."""
        with torch.random.fork_rng(devices=[]):  # building must not move anybody's generator
            network = build_network(self.network_config)
        network.load_state_dict(self.weights, strict=True)
        return network.eval()

    def passport(self) -> dict[str, Any]:
        """Everything but the weights, as plain JSON values."""
        return {
            'format': FORMAT,
            'network': asdict(self.network_config),
            'classes': CLASS_TABLE,
            'input_size': list(self.input_size),
            'depth_kind': self.depth_kind,
            'depth_scale': self.depth_scale,
            'camera': asdict(self.camera) if self.camera else None,
            'brightness': self.brightness,
            'provenance': self.provenance,
        }


def write_release(path: str | os.PathLike[str], release: Release) -> str:
    """Write atomically; return the digest. The folder must exist.

    Raises:
        ReleaseError: it does not fit its own network config, or the disk does not take it.
    """
    path = Path(path)
    weights = {
        name: tensor.detach().cpu().contiguous() for name, tensor in release.weights.items()
    }
    _check_weights(release.network_config, weights)
    passport = json.dumps(release.passport(), sort_keys=True)
    digest = weights_digest(weights, passport)
    metadata = {'sds': passport, 'digest': digest}
    try:
        write_atomically(path, lambda partial: save_file(weights, partial, metadata=metadata))
    except (SafetensorError, OSError) as problem:  # of a full disk safetensors has its own kind
        raise ReleaseError(f'release {path} could not be written: {problem}') from problem
    return digest


def read_release(path: str | os.PathLike[str]) -> Release:
    """Read and verify a release.

    Raises:
        ReleaseError: in one sentence, when the file is missing, truncated, foreign, altered, of
            another class table, or does not fit its own network config.
    """
    path = Path(path)
    if not path.is_file():
        raise ReleaseError(f'release {path} does not exist or is not a file')
    try:
        with safe_open(path, framework='pt') as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as problem:
        raise ReleaseError(
            f'release {path} is damaged or not a safetensors file: {problem}'
        ) from problem
    return _verified(path, metadata, weights)


def _verified(path: Path, metadata: Mapping[str, str], weights: dict[str, Tensor]) -> Release:
    if 'sds' not in metadata or 'digest' not in metadata:
        raise ReleaseError(f'release {path} is a safetensors file without an SDS passport')
    digest = weights_digest(weights, metadata['sds'])
    if digest != metadata['digest']:
        raise ReleaseError(
            f'release {path} was altered: its digest is {digest[:12]}, '
            f'its passport says {metadata["digest"][:12]}'
        )
    try:
        release = _from_passport(json.loads(metadata['sds']), weights, digest)
        _check_weights(release.network_config, weights)
    except ReleaseError as problem:
        raise ReleaseError(f'release {path} cannot be used: {problem}') from problem
    except (AttributeError, KeyError, TypeError, ValueError) as problem:
        raise ReleaseError(f'release {path} has an invalid passport: {problem!r}') from problem
    return release


def _from_passport(passport: dict[str, Any], weights: dict[str, Tensor], digest: str) -> Release:
    if passport.get('format') != FORMAT:
        raise ReleaseError(f'its format is {passport.get("format")!r}, wanted {FORMAT!r}')
    if passport['classes'] != CLASS_TABLE:
        raise ReleaseError('it has another class table than the 19 of Cityscapes')
    height, width = passport['input_size']
    return Release(
        network_config=NetworkConfig.from_dict(passport['network']),
        weights=weights,
        input_size=(height, width),
        depth_kind=passport['depth_kind'],
        depth_scale=float(passport['depth_scale']),
        camera=Camera(**passport['camera']) if passport['camera'] else None,
        brightness=float(passport.get('brightness', 0.0)),  # releases of before do not know it
        provenance=passport['provenance'],
        digest=digest,
    )


def _check_weights(config: NetworkConfig, weights: Mapping[str, Tensor]) -> None:
    """Every tensor the network has, in its shape and finite, and none besides."""
    with torch.device('meta'):
        wanted = {name: value.shape for name, value in build_network(config).state_dict().items()}
    found = {name: value.shape for name, value in weights.items()}
    if wanted == found:
        _check_finite(weights)
        return
    missing, foreign = sorted(wanted.keys() - found), sorted(found.keys() - wanted)
    misshapen = sorted(key for key in wanted.keys() & found if wanted[key] != found[key])
    raise ReleaseError(
        f'the weights do not fit the network: missing {missing[:3]}, '
        f'foreign {foreign[:3]}, misshapen {misshapen[:3]}'
    )


def _check_finite(weights: Mapping[str, Tensor]) -> None:
    for name, tensor in weights.items():
        if not tensor.double().isfinite().all():  # as double: not every type knows isfinite
            raise ReleaseError(f'the weights of {name} are not all finite')


def weights_digest(weights: Mapping[str, Tensor], passport: str) -> str:
    """sha256 over the passport and every tensor's name, type, shape and bytes."""
    summary = hashlib.sha256(passport.encode())
    for name in sorted(weights):
        tensor = weights[name]
        dtype = str(tensor.dtype).removeprefix('torch.')
        summary.update(f'{name} {dtype} {tuple(tensor.shape)}'.encode())
        # As bytes: numpy has no bfloat16, and a foreign file may hold any type.
        plain = tensor.detach().cpu().contiguous().reshape(-1)
        summary.update(plain.view(torch.uint8).numpy().tobytes())
    return summary.hexdigest()


def named_release(name: str | os.PathLike[str]) -> Release:
    """The release in the file `name`; 'demo' is the one that ships with the package.

    Raises:
        ReleaseError: there is none that can be used.
    """
    return read_release(DEMO if str(name) == 'demo' else name)


def require_new(output: Path, place: str) -> None:
    """Refuse a release to write that would replace a file, or that has no folder to lie in.

    `place` is where the command line names it: the paths of another command in its place would
    otherwise cost a file.
    """
    if output.suffix != '.safetensors':
        raise ReleaseError(
            f'the {place} path is {output}, wanted a release to write (.safetensors)'
        )
    if output.exists():
        raise ReleaseError(
            f'{output} exists already; the {place} path is the file to write: name a new one'
        )
    if not output.parent.is_dir():
        raise ReleaseError(
            f'{output.parent} is not a folder, wanted one to write {output.name} to'
        )


def untrained_release(
    config: NetworkConfig,
    input_size: tuple[int, int],
    *,
    seed: int = 0,
) -> Release:
    """Random weights in a valid release, for benchmarks and first trials; depth is relative."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        weights = build_network(config).state_dict()
    provenance = {'trained': False, 'seed': seed}
    return Release(config, weights, input_size, 'relative', provenance=provenance)
