"""How a device is called, for every engine, command and node."""

from __future__ import annotations

import pytest

from sds_perception.engines import EngineError, parsed_device


@pytest.mark.parametrize(
    ('text', 'device'), [('cpu', ('cpu', 0)), ('cuda', ('cuda', 0)), ('cuda:2', ('cuda', 2))]
)
def test_a_device_is_a_kind_and_a_number(text, device) -> None:
    assert parsed_device(text) == device


@pytest.mark.parametrize(
    'text', ['', 'cpu:0', 'cpu:3', 'cuda:', 'cuda:x', 'cuda:-1', 'gpu', 'CPU']
)
def test_what_names_no_device_is_refused(text) -> None:
    with pytest.raises(EngineError, match="wanted 'cpu', 'cuda' or 'cuda:N'"):
        parsed_device(text)
