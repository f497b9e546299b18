"""From a training file and command-line overrides to one frozen config, or one clear sentence."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

from jsonargparse import ActionConfigFile, ArgumentError, ArgumentParser

from sds_training.config import TrainingConfig

UNKNOWN = (
    re.compile(r"Group '(?P<group>[\w.]+)' does not accept option '(?P<name>[\w.]+)'"),
    re.compile(r"does not accept (?:nested key|option) '(?P<name>[\w.]+)'"),
    re.compile(r'[Uu]nrecognized arguments?: --(?P<name>[\w.]+)'),
    re.compile(r"(?:Key|key|option) '?(?P<name>[\w.]+)'? (?:is not expected|not expected)"),
)


def training_parser(program: str) -> ArgumentParser:
    """A strict parser of `TrainingConfig`: --config FILE, then any field by its dotted name."""
    parser = ArgumentParser(
        prog=program,
        usage=f'{program} CONFIG.yaml [--FIELD VALUE ...]',
        description='Train a network as a file says; every field below can be overridden.',
        exit_on_error=False,
    )
    parser.add_argument('--config', action=ActionConfigFile, help='the training file')
    parser.add_class_arguments(TrainingConfig)
    return parser


def read_config(arguments: Sequence[str], program: str = 'sds-train') -> TrainingConfig:
    """Parse `FILE [--field value ...]`; exits with code 2 and one sentence where it cannot."""
    words = list(arguments)
    if words and not words[0].startswith('-'):
        words.insert(0, '--config')
    parser = training_parser(program)
    try:
        parsed = parser.instantiate(parser.parse_args(words))
        values = {each.name: parsed[each.name] for each in fields(TrainingConfig)}
        return TrainingConfig(**values)
    except (ArgumentError, ValueError, TypeError) as problem:
        raise SystemExit(_refuse(program, str(problem))) from problem


def _refuse(program: str, problem: str) -> int:
    import sys

    print(f'{program}: {with_suggestion(problem)}', file=sys.stderr)
    return 2


def with_suggestion(problem: str) -> str:
    """The parser's sentence, with the nearest field where it speaks of an unknown one."""
    sentence = ' '.join(problem.split())
    for pattern in UNKNOWN:
        found = pattern.search(sentence)
        if found:
            group = found.groupdict().get('group')
            wanted = f'{group}.{found["name"]}' if group else found['name']
            near = difflib.get_close_matches(wanted, field_names(TrainingConfig), 1, 0.5)
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
