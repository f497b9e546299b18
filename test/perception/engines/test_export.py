"""What the name of an exported graph depends on."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sds_perception.engines.export import code_of, release_key
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
