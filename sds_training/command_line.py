"""From a training file and command-line overrides to one frozen config, or one clear sentence."""

from __future__ import annotations

import difflib
import functools
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import yaml
from jsonargparse import (
    ActionConfigFile,
    ArgumentError,
    ArgumentParser,
    Namespace,
    set_parsing_settings,
)

from sds_perception.network import NetworkConfig
from sds_training.config import TrainingConfig, layered_values
from sds_training.exit_codes import REFUSED

UNKNOWN = (
    re.compile(r"Group '(?P<group>[\w.]+)' does not accept option '(?P<name>[\w.]+)'"),
    re.compile(r"does not accept (?:nested key|option) '(?P<name>[\w.]+)'"),
    re.compile(r'[Uu]nrecognized arguments?: --(?P<name>[\w.]+)'),
    re.compile(r"(?:[Kk]ey|[Oo]ption) '?(?P<name>[\w.]+)'? (?:is )?not (?:expected|accepted)"),
)


@functools.cache  # it costs more to make than to use
def training_parser(program: str) -> ArgumentParser:
    """A strict parser of `TrainingConfig`: --config FILE, then any field by its dotted name."""
    set_parsing_settings(docstring_parse_attribute_docstrings=True)  # the sentences of --help
    parser = ArgumentParser(
        prog=program,
        usage=f'{program} CONFIG.yaml [--FIELD VALUE ...]',
        description='Train a network as a file says; every field below can be overridden.',
        exit_on_error=False,
        allow_abbrev=False,  # a mistyped field must not become another one
    )
    parser.add_argument('--config', action=ActionConfigFile, help='the training file')
    parser.add_class_arguments(TrainingConfig)
    return parser


def read_config(arguments: Sequence[str], program: str = 'sds-train') -> TrainingConfig:
    """Parse `FILE [--field value ...]`; exits with code 2 and one sentence where it cannot."""
    words = list(arguments)
    parser = training_parser(program)
    try:
        if not words:
            raise ValueError(f'no training file is named; wanted {program} CONFIG.yaml')
        if not words[0].startswith('-'):
            # As it is: YAML does not know how JSON writes what lies outside 16 bits.
            words[:1] = ['--config', json.dumps(layered(Path(words[0])), ensure_ascii=False)]
        plain = parser.parse_args(words)
        _require_no_null(plain, parser)
        parsed = parser.instantiate(plain)
        values = {each.name: parsed[each.name] for each in fields(TrainingConfig)}
        return TrainingConfig(**values)
    except (ArgumentError, OSError, ValueError, TypeError) as problem:
        print(f'{program}: {with_suggestion(str(problem))}', file=sys.stderr)
        raise SystemExit(REFUSED) from problem


def _require_no_null(plain: Namespace, parser: ArgumentParser) -> None:
    """Refuse null where it is not the default: of a file the parser takes any."""
    for name in field_names(TrainingConfig):
        if plain.get(name) is None and parser.get_default(name) is not None:
            raise ValueError(f'{name} is null, wanted a value')


def layered(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A training file on top of the one its `base` names (beside it), as far down as they go.

    `above` are the files that led here.
    """
    chain = (*above, path)
    if path.resolve() in {each.resolve() for each in above}:
        raise ValueError(f'training files lead back by base: {" -> ".join(map(str, chain))}')
    if not path.is_file():
        raise FileNotFoundError(f'training file {path} does not exist or is not a file')
    try:
        values = yaml.safe_load(path.read_text())
    except UnicodeDecodeError as problem:
        raise ValueError(f'training file {path} is no text: {problem}') from problem
    except yaml.YAMLError as problem:
        raise ValueError(f'training file {path} is no YAML: {problem}') from problem
    if not isinstance(values, dict):
        raise ValueError(f'training file {path} holds no fields')
    base = values.pop('base', None)
    _require_maps(path, values)
    if base is None:
        return values
    if not isinstance(base, str):
        raise ValueError(f'training file {path}: base is {base!r}, wanted the path of a file')
    return layered_values(layered(path.parent / base, chain), values)


def _require_maps(
    path: Path, values: Any, group: type[Any] = TrainingConfig, at: str = ''
) -> None:
    """Refuse a number or list in the place of a group of fields: the parser would fail on it."""
    if not isinstance(values, dict):
        raise ValueError(f'training file {path}: {at} is {values!r}, wanted a map of fields')
    hints = get_type_hints(group)
    for name in values.keys() & {each for each in hints if is_dataclass(hints[each])}:
        _require_maps(path, values[name], hints[name], f'{at}.{name}' if at else name)


def with_suggestion(problem: str) -> str:
    """The parser's sentence, with the nearest field where it speaks of an unknown one."""
    sentence = ' '.join(problem.split())
    for pattern in UNKNOWN:
        found = pattern.search(sentence)
        if found:
            group = found.groupdict().get('group')
            wanted = f'{group}.{found["name"]}' if group else found['name']
            names = field_names(TrainingConfig) + field_names(NetworkConfig, 'network.changes.')
            near = difflib.get_close_matches(wanted, names, 1, 0.5)
            return sentence + (f'; did you mean {near[0]!r}?' if near else '')
    return sentence


def field_names(config: type[Any], prefix: str = '') -> list[str]:
    """Dotted names of all fields of a config class and the classes inside it."""
    names = []
    hints = get_type_hints(config)
    for each in fields(config):
        if is_dataclass(hints[each.name]):
            names += field_names(hints[each.name], f'{prefix}{each.name}.')  # type: ignore[arg-type]
        names.append(prefix + each.name)
    return names
