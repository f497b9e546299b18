from __future__ import annotations

import sys

import pytest

from sds_perception.process_memory import keep_large_buffers


def test_glibc_keeps_large_buffers() -> None:
    if not sys.platform.startswith('linux'):
        pytest.skip('glibc only')
    assert keep_large_buffers()
