"""What made an output: release, engine, options, in plain words that a later reader can repeat."""

from __future__ import annotations

from argparse import Namespace
from importlib import metadata

from sds_perception.engines import Engine
from sds_perception.release import Release

_PLACES = ('input', 'output', 'release', 'cache')  # where things lie changes nothing in them


def origin_of(wanted: Namespace, release: Release, engine: Engine) -> dict[str, object]:
    """JSON values; the same for the same input, release and options, wherever they lie."""
    height, width = engine.input_size
    options = {name: value for name, value in vars(wanted).items() if name not in _PLACES}
    return {
        'sds_perception': metadata.version('sds_perception'),
        'input': wanted.input.name,
        'release': release.digest or None,
        'trained': release.trained,
        'engine': engine.name,
        'precision': engine.precision,
        'input_size': f'{width}x{height}',
        'options': {name: _plain(value) for name, value in sorted(options.items())},
    }


def _plain(value: object) -> object:
    if isinstance(value, tuple):  # (H, W)
        return 'x'.join(str(side) for side in reversed(value))
    return value if isinstance(value, str | int | float | None) else str(value)
