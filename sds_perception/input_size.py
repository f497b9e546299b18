"""The size of a network's input as people write it on a command line."""

from __future__ import annotations

from argparse import ArgumentTypeError

MULTIPLE = 32  # of every network's input; NetworkConfig.size_multiple would import torch


def input_size(text: str) -> tuple[int, int]:
    """(H, W) of 'HxW' in pixels, for argparse: positive multiples of 32."""
    height, _, width = text.lower().partition('x')
    sides = [int(side) for side in (height, width) if side.isdecimal()]
    if len(sides) != 2 or not all(sides) or any(side % MULTIPLE for side in sides):
        raise ArgumentTypeError(
            f'{text!r} is no input size, wanted HEIGHTxWIDTH in multiples of {MULTIPLE}'
        )
    return sides[0], sides[1]
