"""Sizes as people write them on a command line: width first, as cameras and files do."""

from __future__ import annotations

from argparse import ArgumentTypeError

MULTIPLE = 32  # of every network's input; NetworkConfig.size_multiple would import torch


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
