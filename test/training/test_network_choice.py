from __future__ import annotations

from typing import Any

import pytest

from sds_perception.network.config import NetworkConfigError
from sds_training.network_choice import NetworkChoice


@pytest.mark.parametrize(
    ('name', 'value', 'wanted'),
    [
        ('decoder_channels', 'abc', r'a list such as \(64, 64, 64\)'),
        ('decoder_channels', [64, '64'], r'a list such as \(64, 64, 64\)'),
        ('encoder_options', '{bogus:1}', 'a map such as {}'),
        ('encoder', False, "a word such as 'resnet18'"),
        ('aspp', 'no', 'a bool such as False'),
        ('classes', True, 'a whole number such as 19'),
        ('classes', 25, '19: labels and releases have as many'),
    ],
)
def test_a_change_of_another_kind_is_refused(name: str, value: Any, wanted: str) -> None:
    with pytest.raises(NetworkConfigError) as refused:
        NetworkChoice(changes={name: value}).config()
    refused.match(f'network.changes.{name} is .*, wanted {wanted}$')


def test_whole_numbers_and_lists_are_as_good_as_what_the_network_holds() -> None:
    changes = {'depth_range': [1, 80.0], 'exchange_levels': []}
    assert NetworkChoice(changes=changes).config().depth_range == (1, 80.0)
