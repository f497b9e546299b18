"""A file is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
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


def test_a_full_disk_is_told_with_the_file_it_did_not_take(
    tmp_path: Path, files_of_at_most: Callable[[int], AbstractContextManager[None]]
) -> None:
    path = tmp_path / 'scores.json'
    with files_of_at_most(10), pytest.raises(OSError, match=f"'{path}'"):
        write_atomically(path, lambda partial: partial.write_bytes(bytes(100)))
    assert not list(tmp_path.iterdir())
