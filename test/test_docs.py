"""What the documents name exists: files, sections, commands, their options, training fields."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from functools import cache
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
    'sds-bench': 'sds_perception.bench.cli',
    'sds-streets': 'sds_training.streets.cli',
    'sds-prepare': 'sds_training.data.prepare',
    'sds-evaluate': 'sds_training.evaluate',
    'sds-export': 'sds_training.export',
    'sds-average': 'sds_training.average',
}
IN_PACKAGES = ('', 'sds_perception/', 'sds_training/', 'sds_training/data/', 'docs/')

each_document = pytest.mark.parametrize('document', DOCUMENTS, ids=lambda path: path.name)


def anchors(document: Path) -> set[str]:
    """The names that a link can use for the headings of a document."""
    headings = re.findall(r'^#+ (.+)$', CODE.sub('', document.read_text()), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', each.lower()).replace(' ', '-') for each in headings}


def command_lines(document: Path) -> list[list[str]]:
    """The words of every line in a shell block."""
    blocks = re.findall(r'```(?:bash|sh)\n(.*?)```', document.read_text(), re.DOTALL)
    lines = '\n'.join(blocks).replace('\\\n', ' ').splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


@cache
def usage(command: str) -> str:
    words = [sys.executable, '-m', COMMANDS[command], *command.split()[1:], '--help']
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


@each_document
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in LINK.findall(CODE.sub('', document.read_text())):
        if '://' in link:
            continue
        path, _, anchor = link.partition('#')
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f'{document.name} links to {link}'
        assert not anchor or anchor in anchors(target), f'{document.name} links to {link}'


@each_document
def test_every_file_that_is_named_exists(document: Path) -> None:
    for name in NAMED_FILE.findall(CODE.sub('', document.read_text())):
        if name.startswith(('out/', 'runs/', 'install/')):
            continue  # made by a command
        assert any((ROOT / base / name).exists() for base in IN_PACKAGES), name


@each_document
def test_every_training_field_that_is_named_exists(document: Path) -> None:
    known = set(field_names(TrainingConfig))
    for name in FIELD.findall(document.read_text()):
        assert name in known or name.endswith(('.py', '.yaml', '.jsonl')), name


@each_document
def test_every_option_that_is_shown_exists(document: Path) -> None:
    for words in command_lines(document):
        name = ' '.join(words[:2]) if words[0] == 'sds-engine' else words[0]
        if name not in COMMANDS:
            continue
        options = {each.split('=')[0] for each in words if each.startswith('--')}
        unknown = {each for each in options if not re.search(rf'{each}\b', usage(name))}
        assert not unknown, f'{document.name}: {name} does not know {unknown}'


def test_documents_are_found_with_links_files_fields_and_commands() -> None:
    """Guards the others: what finds nothing cannot fail."""
    text = '\n'.join(CODE.sub('', each.read_text()) for each in DOCUMENTS)
    assert len(LINK.findall(text)) > 20 and len(NAMED_FILE.findall(text)) > 20
    assert len(FIELD.findall(text)) > 20
    shown = {words[0] for each in DOCUMENTS for words in command_lines(each)}
    assert {name.split()[0] for name in COMMANDS} - shown <= {'sds-bench'}
