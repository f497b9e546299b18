"""What engines can be told, the same for every command and for the node.

Knows no torch: command lines are read before it is imported.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from sds_perception.argument_types import count, input_size
from sds_perception.engines import ENGINES, PRECISIONS, PROVIDERS

HELP_DETAIL = 'label edges: fast (nearest) or fine (from class scores) (default: fast)'


def add_engine_options(
    parser: ArgumentParser, *, engine: str = 'torch', device: str | None = 'cpu'
) -> None:
    """Everything about the engine, with the defaults given; device None is for the command."""
    add, place = parser.add_argument, device or 'cuda where there is one'
    add('--device', default=device, help=f'cpu, cuda or cuda:N (default: {place})')
    add('--engine', choices=tuple(ENGINES), default=engine, help=f'runs it (default: {engine})')
    add('--precision', choices=PRECISIONS, help="of its arithmetic (default: the engine's own)")
    add('--provider', choices=tuple(PROVIDERS), help='of onnxruntime (default: that of --device)')
    threads = count('threads')
    add('--threads', type=threads, default=0, help='CPU threads (default: 0, one per core)')
    add('--cache', type=Path, help='folder of built engines (default: the user cache)')
    add('--detail', choices=('fast', 'fine'), default='fast', help=HELP_DETAIL)
    add('--input-size', type=input_size, metavar='WxH', help="(default: the release's own)")


def engine_asked_for(wanted: Namespace) -> dict[str, Any]:
    """What a command line with these options says, but for the device, to who builds engines."""
    given = (wanted.precision, wanted.threads, wanted.cache, wanted.provider)
    return {
        'engine': wanted.engine,
        'detail': wanted.detail,
        'input_size': wanted.input_size,
        **engine_options(wanted.engine, *given),
    }


def engine_options(
    engine: str, precision: str | None, threads: int, cache: object, provider: str | None
) -> dict[str, Any]:
    """The arguments that this engine's constructor takes; '' is as good as None."""
    given = {'threads': threads, 'cache': cache or None, 'provider': provider or None}
    return {'precision': precision or None} | {name: given[name] for name in ENGINES[engine]}


def unused_option(engine: str, provider: object, cache: object) -> str:
    """'provider' or 'cache' where it is given and does nothing for this engine; else ''."""
    given = {'provider': provider, 'cache': cache}
    return next((each for each in given if given[each] and each not in ENGINES[engine]), '')


def option_in_vain(wanted: Namespace) -> str:
    """What a command line with these options says in vain, in a sentence; '' where all counts."""
    unused = unused_option(wanted.engine, wanted.provider, wanted.cache)
    return f'--{unused} does nothing for engine {wanted.engine}' if unused else ''
