"""A few of many, evenly spread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar('T')


def evenly(items: Sequence[T], most: int) -> Sequence[T]:
    """Every n-th item from the first on, n as small as leaves at most `most` of them."""
    return items[:: max(1, -(-len(items) // most))]
