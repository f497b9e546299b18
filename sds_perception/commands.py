"""Where every command begins, as setup.py names it: no `main` is imported before it is called.

Torch and its kin take seconds to import, in which Ctrl-C is to end a command as quietly as later.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module, metadata


@dataclass(frozen=True)
class Command:
    """A command that ends without a traceback when it is interrupted, in its imports too."""

    module: str  # its `main` returns the exit code
    name: str

    def __call__(self) -> int:
        """Run it; 130 where Ctrl-C or SIGTERM ended it."""
        if sys.argv[1:] == ['--version']:
            print(f'{self.name} {metadata.version("sds_perception")}')
            return 0
        try:
            main = self._main()
            with sigterm_interrupts():
                return main()
        except KeyboardInterrupt:
            print(f'{self.name}: stopped', file=sys.stderr)
            return 130

    def _main(self) -> Callable[[], int]:
        # A KeyboardInterrupt would come out of C++ that is being loaded as an abort.
        heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if heard:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        main: Callable[[], int] = import_module(self.module).main
        if heard:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return main


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """SIGTERM as Ctrl-C: by itself it ends this process only, and what it has started works on."""
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:  # who starts it wants it otherwise
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is signal.default_int_handler:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


perceive = Command('sds_perception.offline.cli', 'sds-perceive')
engine = Command('sds_perception.engines.cli', 'sds-engine')
adapt = Command('sds_perception.offline.adapt', 'sds-adapt')
bench = Command('sds_perception.bench.cli', 'sds-bench')
