from __future__ import annotations

import pytest

from sds_training.evenly import evenly


@pytest.mark.parametrize('most', [1, 7, 20])
def test_at_most_as_many_are_left_as_were_wanted_and_all_where_there_are_no_more(
    most: int,
) -> None:
    for count in range(45):
        left = evenly(range(count), most)
        assert len(left) <= most
        assert len(left) == count or count > most
        assert len(left) > most // 2 or count <= most // 2
