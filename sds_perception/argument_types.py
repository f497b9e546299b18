"""Numbers and sizes as people write them on a command line, refused in one sentence each.

Sizes have the width first, as cameras and files do.
"""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from collections.abc import Callable

MULTIPLE = 32  # of every network's input; NetworkConfig.size_multiple would import torch


def number(
    what: str, low: float, high: float = math.inf, *, above: bool = False
) -> Callable[[str], float]:
    """For argparse: the finite number that is `what`, from `low` (or `above` it) to `high`."""
    least = f'more than {low:g}' if above else f'{low:g} or more'
    wanted = least if high == math.inf else f'{low:g} to {high:g}'

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (low < value if above else low <= value) or value == math.inf or value > high:
            raise ArgumentTypeError(f'{text!r} is no {what}, wanted {wanted}')
        return value

    return read


def count(what: str, low: int = 0) -> Callable[[str], int]:
    """For argparse: how many of `what`, at least `low`."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < low:
            raise ArgumentTypeError(f'{text!r} is no number of {what}, wanted {low} or more')
        return int(text)

    return read


def picture_size(text: str) -> tuple[int, int]:
    """(W, H) of 'WxH' in pixels, for argparse; both positive."""
    sides = [int(side) for side in text.lower().split('x') if side.isdecimal()]
    if text.lower().count('x') != 1 or len(sides) != 2 or not all(sides):
        raise ArgumentTypeError(f'{text!r} is no size, wanted WIDTHxHEIGHT such as 1024x512')
    return sides[0], sides[1]


def input_size(text: str) -> tuple[int, int]:
    """(H, W) of 'WxH' in pixels, for argparse: what a network takes, multiples of 32."""
    width, height = picture_size(text)
    if width % MULTIPLE or height % MULTIPLE:
        raise ArgumentTypeError(
            f'{text!r} is no input size, wanted WIDTHxHEIGHT in multiples of {MULTIPLE}'
        )
    return height, width
