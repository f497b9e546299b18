"""Which network a training file asks for: a named one, with changes."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

from sds_perception.labels import CLASSES
from sds_perception.network import NETWORKS, NetworkConfig
from sds_perception.network.config import NetworkConfigError

WORDS = {str: 'a word', dict: 'a map', tuple: 'a list', int: 'a whole number', bool: 'a bool'}


@dataclass(frozen=True)
class NetworkChoice:
    """Which network is trained: a named one, with changes."""

    name: str = 'vehicle'
    """'vehicle', 'paper' or 'tiny'."""

    changes: dict[str, Any] = field(default_factory=dict)
    """Fields of NetworkConfig that differ from the named one, such as exchange: pad."""

    pretrained: bool = False
    """Start the encoder from timm's public ImageNet weights."""

    def config(self) -> NetworkConfig:
        """The network's own description."""
        if self.name not in NETWORKS:
            raise NetworkConfigError(
                f'network.name is {self.name!r}, wanted one of {sorted(NETWORKS)}'
            )
        _require_kinds(self.changes)
        config = replace(NETWORKS[self.name], **self.changes)
        if config.classes != len(CLASSES):
            raise NetworkConfigError(
                f'network.changes.classes is {config.classes}, wanted {len(CLASSES)}: labels and '
                'releases have as many'
            )
        return config


def _require_kinds(changes: dict[str, Any]) -> None:
    """Refuse fields that a network has not, and values of another kind than their default's."""
    defaults = {each.name: getattr(NetworkConfig(), each.name) for each in fields(NetworkConfig)}
    for name, value in changes.items():
        if name not in defaults:
            raise NetworkConfigError(f"option 'network.changes.{name}' is not accepted")
        default = defaults[name]
        if not _of_kind(value, default):
            raise NetworkConfigError(
                f'network.changes.{name} is {value!r}, wanted {WORDS[type(default)]} '
                f'such as {default!r}'
            )


def _of_kind(value: Any, default: Any) -> bool:
    if isinstance(default, tuple):
        kinds = (type(default[0]), int)  # 80 is a depth as well as 80.0
        return isinstance(value, list | tuple) and all(type(each) in kinds for each in value)
    return type(value) is type(default)
