"""The folder of a demo: a new or empty one, or that of an earlier demo, which it replaces."""

from __future__ import annotations

from pathlib import Path

from sds_perception.offline.frames import OfflineError
from sds_perception.offline.sinks import require_room

MARK = '.sds_demo'  # in every folder of a demo: what lies there under our names is our own


def claim_folder(output: Path, given: Path | None) -> None:
    """Make or mark `output`; nothing in it is touched yet, so that a refusal loses nothing.

    Raises:
        OfflineError: `given`, the input, lies in it, or it has what no demo has made.
    """
    require_room(output)
    if given is not None and given.resolve().is_relative_to(output.resolve()):
        raise OfflineError(
            f'{given} lies in {output}, where results are replaced: name another with --output'
        )
    if output.exists() and any(output.iterdir()) and not (output / MARK).exists():
        raise OfflineError(
            f'{output} is neither empty nor the folder of an earlier demo: delete it, or name '
            'another with --output'
        )
    output.mkdir(parents=True, exist_ok=True)
    (output / MARK).touch()
