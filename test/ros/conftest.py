"""The node's tests need rclpy; without it this folder is left out (CI refuses that)."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from domains import free_domain

from sds_perception.engines.parity import ParityReport
from sds_perception.network import NETWORKS
from sds_perception.release import untrained_release, write_release

os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
os.environ['ROS_DOMAIN_ID'] = str(free_domain())
os.environ.setdefault('ROS_LOG_DIR', f'{tempfile.gettempdir()}/ros-log-{os.getuid()}')

OF_PROCESSES = free_domain()

if find_spec('rclpy') is None:
    collect_ignore_glob = ['test_*.py']


@pytest.fixture(scope='session', autouse=True)
def short_pauses() -> None:
    from sds_perception.process_memory import freeze_garbage_collector

    freeze_garbage_collector()


@pytest.fixture(scope='session', autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Engines are built for this run, not found or left in the folder of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        yield


@pytest.fixture(scope='session')
def tiny_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a tiny untrained release."""
    path = tmp_path_factory.mktemp('release') / 'tiny.safetensors'
    write_release(path, untrained_release(NETWORKS['tiny'], (64, 128)))
    return path


@pytest.fixture
def nobody_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every engine but the reference is found to disagree with it, and refused."""
    monkeypatch.setattr(ParityReport, 'passed', False)


@pytest.fixture
def own_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another DDS domain for nodes in processes of their own.

    Nodes of earlier tests have the same names, and their services are found for a while after
    they are gone: a request that reaches one of those is never answered.
    """
    monkeypatch.setenv('ROS_DOMAIN_ID', str(OF_PROCESSES))


@pytest.fixture
def as_a_command(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Commands change their process for good: its environment and its signals."""
    for name in list(os.environ):
        monkeypatch.setenv(name, os.environ[name])
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def graph(tiny_release: Path) -> Iterator[Any]:
    """A running ROS graph for one test."""
    from node_graph import Graph

    graph = Graph(tiny_release)
    yield graph
    graph.close()
