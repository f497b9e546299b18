"""One way to write the size of a network's input, for every command."""

from __future__ import annotations

from argparse import ArgumentTypeError

import pytest

from sds_perception.bench import cli as bench
from sds_perception.engines import cli as engines
from sds_perception.input_size import MULTIPLE, input_size, picture_size
from sds_perception.network import NetworkConfig
from sds_perception.offline import cli as offline


def test_width_is_written_first_and_both_are_multiples_of_what_the_network_wants() -> None:
    assert input_size('512x256') == input_size('512X256') == (256, 512)
    assert picture_size('512x250') == (512, 250)
    assert NetworkConfig().size_multiple == MULTIPLE


@pytest.mark.parametrize(
    'text', ['0x0', '0x32', '100x100', '-32x32', '32', '32x', '32x64x96', 'axb', '', '3.2e1x32']
)
def test_what_is_no_size_is_refused_with_what_is_wanted(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match='wanted WIDTHxHEIGHT'):
        input_size(text)


@pytest.mark.parametrize(
    ('main', 'arguments'),
    [
        (offline.main, ['missing', '--output', 'none', '--input-size']),
        (engines.main, ['check', 'missing', '--input-size']),
        (bench.main, ['--sizes']),
    ],
)
@pytest.mark.parametrize('size', ['0x0', '100x100'])
def test_every_command_refuses_it_before_anything_is_read(main, arguments, size, capsys) -> None:
    with pytest.raises(SystemExit, match='2'):
        main([*arguments, size])
    assert 'wanted WIDTHxHEIGHT' in capsys.readouterr().err
