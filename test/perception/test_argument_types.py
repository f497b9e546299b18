"""Numbers and sizes on a command line: one way to write them, and to refuse them."""

from __future__ import annotations

from argparse import ArgumentTypeError

import pytest

from sds_perception.argument_types import MULTIPLE, count, input_size, number, picture_size
from sds_perception.bench import cli as bench
from sds_perception.engines import cli as engines
from sds_perception.network import NetworkConfig
from sds_perception.offline import cli as offline


@pytest.mark.parametrize('text', ['-1', 'nan', 'inf', 'far', ''])
def test_what_is_no_such_number_is_refused_with_what_is_wanted(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match='is no distance, wanted 0 or more'):
        number('distance', 0)(text)
    with pytest.raises(ArgumentTypeError, match='is no rate, wanted more than 0'):
        number('rate', 0, above=True)(text)
    with pytest.raises(ArgumentTypeError, match='is no number of threads, wanted 0 or more'):
        count('threads')(text)


def test_the_least_number_is_taken_unless_it_has_to_be_more() -> None:
    assert number('distance', 0)('0') == 0 and number('rate', 0, above=True)('0.5') == 0.5
    assert count('processes', 1)('1') == 1
    with pytest.raises(ArgumentTypeError, match="'0' is no rate, wanted more than 0"):
        number('rate', 0, above=True)('0')
    with pytest.raises(ArgumentTypeError, match="'0' is no number of processes, wanted 1"):
        count('processes', 1)('0')


def test_a_share_is_part_of_a_whole() -> None:
    assert [number('part', 0, 1)(text) for text in ('0', '0.25', '1')] == [0, 0.25, 1]
    for text in ('-0.1', '1.01', 'nan', 'half', ''):
        with pytest.raises(ArgumentTypeError, match='is no part, wanted 0 to 1'):
            number('part', 0, 1)(text)


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
