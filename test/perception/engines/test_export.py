"""What the name of an exported graph depends on."""

from __future__ import annotations

import pytest

from sds_perception.engines.export import code_of

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
