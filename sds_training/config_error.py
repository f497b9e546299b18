"""How a training description is refused: field, value, and what is wanted instead."""

from __future__ import annotations

from typing import Any


class ConfigError(ValueError):
    """A training description that cannot be meant; the message names field, value and rule."""


def require(ok: bool, field: str, value: Any, wanted: str) -> None:
    """Refuse the `value` of `field`, by its dotted name, unless it is `ok`."""
    if not ok:
        raise ConfigError(f'{field} is {value!r}, wanted {wanted}')


def require_at_least(least: int, group: Any, prefix: str, *names: str) -> None:
    """Refuse fields of `group`, whose names begin with `prefix`, that are smaller than `least`."""
    for name in names:
        value = getattr(group, name)
        require(value >= least, f'{prefix}{name}', value, f'{least} or more')
