"""What engines can be told, by every command and by the node."""

from __future__ import annotations

import argparse
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from sds_perception.engines import ENGINES, PRECISIONS
from sds_perception.engines.mnn_engine import MnnEngine
from sds_perception.engines.onnx_engine import OnnxEngine
from sds_perception.engines.openvino_engine import OpenVinoEngine
from sds_perception.engines.options import (
    add_engine_options,
    engine_asked_for,
    engine_options,
    unused_option,
)
from sds_perception.engines.parity import LIMITS
from sds_perception.engines.precision import NATIVE
from sds_perception.engines.torch_engine import TorchEngine

CLASSES = {
    'torch': TorchEngine,
    'onnxruntime': OnnxEngine,
    'openvino': OpenVinoEngine,
    'mnn': MnnEngine,
}
OF_ALL = {'self', 'release', 'device', 'input_size', 'detail', 'precision'}


@pytest.mark.parametrize('engine', ENGINES)
def test_an_engine_is_told_exactly_what_it_takes(engine: str) -> None:
    taken = set(inspect.signature(CLASSES[engine].__init__).parameters) - OF_ALL
    assert set(ENGINES[engine]) == taken
    told = engine_options(engine, 'fp32', 2, 'there', 'cpu')
    assert set(told) == taken | {'precision'}


def test_every_engine_says_which_numbers_it_computes_in_and_each_has_limits() -> None:
    assert {place.split()[0] for place in NATIVE} == set(ENGINES)
    assert set(LIMITS) == set(PRECISIONS)


def test_what_nobody_said_is_left_to_the_engine() -> None:
    told = engine_options('onnxruntime', '', 0, '', '')
    assert told == {'precision': None, 'threads': 0, 'cache': None, 'provider': None}


@pytest.mark.parametrize(
    ('engine', 'provider', 'cache', 'unused'),
    [
        ('torch', '', '', ''),
        ('torch', None, 'there', 'cache'),
        ('openvino', 'cpu', 'there', 'provider'),
        ('onnxruntime', 'cpu', 'there', ''),
    ],
)
def test_what_does_nothing_for_an_engine_is_named(engine, provider, cache, unused) -> None:
    assert unused_option(engine, provider, cache) == unused


def test_commands_differ_in_their_defaults_only() -> None:
    ours, theirs = argparse.ArgumentParser(), argparse.ArgumentParser()
    add_engine_options(ours, device=None)
    add_engine_options(theirs, engine='onnxruntime')
    told = ['--threads', '2', '--input-size', '64x32']
    one, other = vars(ours.parse_args(told)), vars(theirs.parse_args(told))
    assert {name for name in one if one[name] != other[name]} == {'engine', 'device'}


def test_what_a_command_line_says_reaches_who_builds_engines() -> None:
    parser, told = argparse.ArgumentParser(), {'precision': 'int8', 'threads': 2, 'detail': 'fine'}
    told |= {'engine': 'onnxruntime', 'provider': 'cpu', 'cache': Path('there')}
    add_engine_options(parser)
    words = [f'--{name}={value}' for name, value in told.items()]
    wanted = parser.parse_args([*words, '--input-size', '64x32'])
    assert engine_asked_for(wanted) == told | {'input_size': (32, 64)}


def test_options_are_read_without_torch() -> None:
    code = "import sys, sds_perception.engines.options; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0
