"""Where the files that ship with the package lie, in a checkout and after installation."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path

PROFILE_VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
# Transports chosen by name: the shipped profile names its own, beside which it means nothing.
TRANSPORTS_VARIABLE = 'FASTDDS_BUILTIN_TRANSPORTS'


def shipped_file(relative: str) -> Path:
    """The path of a shipped file, such as 'config/vehicle/fastdds.xml', where it lies here."""
    here = Path(__file__).resolve()
    # A checkout has it beside the package; colcon and pip put it under PREFIX/share.
    prefixes = [Path(p) for p in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if p]
    shares = [prefix / 'share' / 'sds_perception' for prefix in [*prefixes, *here.parents]]
    places = [here.parents[2], *(share for share in shares if share.is_dir())]
    for place in places:
        if (place / relative).is_file():
            return place / relative
    raise FileNotFoundError(
        f'{relative} ships with sds_perception but is in none of '
        f'{", ".join(str(place) for place in places)}; install the package again'
    )


def prepare_transport(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set what Fast DDS reads at `rclpy.init`; what an operator has set already stays."""
    chosen = next((environment[name] for name in PROFILE_VARIABLES if environment.get(name)), None)
    if chosen is None and not environment.get(TRANSPORTS_VARIABLE):
        chosen = str(shipped_file('config/vehicle/fastdds.xml'))
    for name in PROFILE_VARIABLES:
        if chosen and not environment.get(name):  # '' names no profile either
            environment[name] = chosen
