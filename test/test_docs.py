"""What the documents name exists: files, sections, commands, their options, training fields."""

from __future__ import annotations

import io
import re
import shlex
from contextlib import redirect_stdout
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from sds_training.command_line import field_names
from sds_training.config import TrainingConfig

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / 'README.md', *sorted(ROOT.glob('docs/*.md'))]
LINK = re.compile(r'\]\(([^)\s]+)\)')
CODE = re.compile(r'```.*?```', re.DOTALL)
NAMED_FILE = re.compile(r'`((?:[\w-]+/)+[\w-]+\.\w+)`')
FIELD = re.compile(
    r'`((?:data|network|pose|optimiser|teacher|mix|color_aug|loss|fabric|journal)\.[\w.]+)'
)
COMMANDS = {
    'sds-perceive': 'sds_perception.offline.cli',
    'sds-engine build': 'sds_perception.engines.cli',
    'sds-engine check': 'sds_perception.engines.cli',
    'sds-adapt': 'sds_perception.offline.adapt',
    'sds-bench': 'sds_perception.bench.cli',
    'sds-streets': 'sds_training.streets.cli',
    'sds-prepare': 'sds_training.data.prepare',
    'sds-evaluate': 'sds_training.evaluate',
    'sds-export': 'sds_training.export',
    'sds-average': 'sds_training.average',
}
IN_PACKAGES = ('', 'sds_perception/', 'sds_training/', 'sds_training/data/', 'docs/')


def prose(document: Path) -> str:
    """The text of a document without its blocks of code."""
    return CODE.sub('', document.read_text())


def anchors(document: Path) -> set[str]:
    """The names that a link can use for the headings of a document."""
    headings = re.findall(r'^#+ (.+)$', prose(document), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', each.lower()).replace(' ', '-') for each in headings}


def command_lines(document: Path) -> list[list[str]]:
    """The words of every line in a shell block."""
    blocks = re.findall(r'```(?:bash|sh)\n(.*?)```', document.read_text(), re.DOTALL)
    lines = '\n'.join(blocks).replace('\\\n', ' ').splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


@cache
def usage(command: str) -> str:
    said = io.StringIO()
    with redirect_stdout(said), pytest.raises(SystemExit, match='0'):
        import_module(COMMANDS[command]).main([*command.split()[1:], '--help'])
    return said.getvalue()


def leads_somewhere(document: Path, link: str) -> bool:
    path, _, anchor = link.partition('#')
    target = (document.parent / path).resolve() if path else document
    return target.exists() and (not anchor or anchor in anchors(target))


def test_every_link_leads_somewhere() -> None:
    links = ((each, link) for each in DOCUMENTS for link in LINK.findall(prose(each)))
    assert not [
        f'{document.name} links to {link}'
        for document, link in links
        if '://' not in link and not leads_somewhere(document, link)
    ]


def test_every_file_that_is_named_exists() -> None:
    names = [(each.name, name) for each in DOCUMENTS for name in NAMED_FILE.findall(prose(each))]
    assert not [
        f'{document} names {name}'
        for document, name in names
        if not name.startswith(('out/', 'runs/', 'install/'))  # made by a command
        and not any((ROOT / base / name).exists() for base in IN_PACKAGES)
    ]


def test_every_training_field_that_is_named_exists() -> None:
    known = set(field_names(TrainingConfig))
    names = [(each.name, name) for each in DOCUMENTS for name in FIELD.findall(each.read_text())]
    assert not [
        f'{document} names {name}'
        for document, name in names
        if name not in known and not name.endswith(('.py', '.yaml', '.jsonl'))
    ]


def unknown_options(words: list[str]) -> list[str]:
    """Options of a command line that the help of the command does not name."""
    name = ' '.join(words[:2]) if words[0] == 'sds-engine' else words[0]
    options = {each.split('=')[0] for each in words if each.startswith('--')}
    known = usage(name) if name in COMMANDS else ' '.join(options)
    return [each for each in sorted(options) if not re.search(rf'{each}\b', known)]


def test_every_option_that_is_shown_exists() -> None:
    assert not [
        f'{document.name}: {words[0]} does not know {option}'
        for document in DOCUMENTS
        for words in command_lines(document)
        for option in unknown_options(words)
    ]


def test_documents_are_found_with_links_files_fields_and_commands() -> None:
    """Guards the others: what finds nothing cannot fail."""
    text = '\n'.join(map(prose, DOCUMENTS))
    assert len(LINK.findall(text)) > 20 and len(NAMED_FILE.findall(text)) > 20
    assert len(FIELD.findall(text)) > 20
    shown = {words[0] for each in DOCUMENTS for words in command_lines(each)}
    assert {name.split()[0] for name in COMMANDS} - shown <= {'sds-bench'}
