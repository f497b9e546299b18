"""What the name of an exported graph depends on."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch

from sds_perception.engines import EngineError
from sds_perception.engines.export import (
    GraphShape,
    cache_folder,
    code_of,
    onnx_path,
    release_key,
    require_writable,
)
from sds_perception.release import read_release, write_release

SOURCE = '''"""A module."""

SIZE = 3


class Net:
    """A class."""

    def forward(self, x):
        """A function."""
        return x * SIZE
'''


@pytest.mark.parametrize(
    ('before', 'after'),
    [
        ('"""A module."""', '"""Other words."""'),
        ('    """A class."""\n', ''),
        ('"""A function."""', "'one'  # two"),
        ('SIZE = 3', '# of a kernel\nSIZE = (3)'),
    ],
)
def test_words_about_the_code_leave_every_built_engine_valid(before, after) -> None:
    assert code_of(SOURCE.replace(before, after)) == code_of(SOURCE)


@pytest.mark.parametrize(
    ('before', 'after'),
    [
        ('SIZE = 3', 'SIZE = 5'),
        ('x * SIZE', 'SIZE * x'),
        ('return x', "x = 'text'\n        return x"),
    ],
)
def test_code_that_differs_is_told_apart(before, after) -> None:
    assert code_of(SOURCE.replace(before, after)) != code_of(SOURCE)


def test_a_release_has_one_key_before_and_after_it_is_written(small_release, tmp_path) -> None:
    write_release(tmp_path / 'r.safetensors', small_release)
    assert release_key(small_release) == release_key(read_release(tmp_path / 'r.safetensors'))


def test_a_release_of_any_type_of_number_has_a_key(small_release) -> None:
    halved = {name: each.to(torch.bfloat16) for name, each in small_release.weights.items()}
    other = replace(small_release, weights=halved, digest='')  # as one that was never written
    assert release_key(other) != release_key(small_release)


def test_a_release_with_another_passport_has_another_key(small_release) -> None:
    unwritten = replace(small_release, digest='')
    assert release_key(replace(unwritten, depth_scale=2.0)) != release_key(unwritten)


def test_a_graph_is_named_by_all_that_its_shape_says_and_by_the_versions_that_made_it(
    small_release, monkeypatch
) -> None:
    shape = GraphShape((64, 96))
    others = ({'input_size': (96, 64)}, {'detail': 'fine'}, {'half': True}, {'streamlined': True})
    shapes = [shape, *(replace(shape, **each) for each in others)]
    names = {onnx_path(small_release, each) for each in shapes}
    monkeypatch.setattr(timm, '__version__', '0.0.1')
    assert len(names | {onnx_path(small_release, shape)}) == len(shapes) + 1


def test_a_cache_may_be_named_from_home_and_one_that_cannot_be_written_is_refused(
    tmp_path, monkeypatch
) -> None:
    assert cache_folder('~/built') == Path.home() / 'built'
    monkeypatch.setattr(os, 'access', lambda *_: False)
    with pytest.raises(EngineError, match=f'engine cache {tmp_path} cannot be written'):
        require_writable(tmp_path)
