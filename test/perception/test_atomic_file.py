"""A file is there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sds_perception.atomic_file import write_atomically


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fails(partial: Path) -> None:
        partial.write_bytes(b'half')
        raise OSError('disk is full')

    with pytest.raises(OSError, match='full'):
        write_atomically(tmp_path / 'graph.onnx', fails)
    assert not list(tmp_path.iterdir())


def test_the_bytes_are_on_the_disk_before_the_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    for name in ('fsync', 'replace'):
        real = getattr(os, name)
        told = lambda *given, name=name, real=real: (order.append(name), real(*given))  # noqa: E731
        monkeypatch.setattr(os, name, told)
    write_atomically(tmp_path / 'a', lambda partial: partial.write_bytes(b'whole'))
    assert order == ['fsync', 'replace']
    assert (tmp_path / 'a').read_bytes() == b'whole'
