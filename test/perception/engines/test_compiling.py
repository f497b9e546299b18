"""Processes that start at the same time on one cache compile a graph one after the other."""

from __future__ import annotations

import fcntl
import logging
import threading
from pathlib import Path

import pytest

from sds_perception.engines.compiling import compiling_alone
from sds_perception.engines.openvino_engine import OpenVinoEngine


def free(graph):
    """Whether another process could hold the graph now."""
    with graph.open('rb') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@pytest.mark.parametrize('mode', [0o644, 0o444])
def test_a_graph_is_held_while_it_is_compiled_and_left_as_it_was(tmp_path, mode):
    graph = tmp_path / 'graph.onnx'
    graph.write_bytes(b'graph')
    graph.chmod(mode)
    before = graph.stat().st_mtime_ns
    with pytest.raises(RuntimeError), compiling_alone(graph):
        assert not free(graph)
        raise RuntimeError
    assert free(graph)
    assert (graph.read_bytes(), graph.stat().st_mtime_ns) == (b'graph', before)


def test_who_has_to_wait_says_so_and_comes_next(tmp_path, caplog):
    graph, order, told = tmp_path / 'graph.onnx', [], threading.Event()
    graph.touch()
    caplog.set_level(logging.INFO)

    def hear(record):
        if 'waiting for another process' in record.msg:
            told.set()
        return True

    def compile_next():
        with compiling_alone(graph):
            order.append('next')

    caplog.handler.addFilter(hear)
    other = threading.Thread(target=compile_next)
    with compiling_alone(graph):
        other.start()
        assert told.wait(30)
        order.append('first')
    other.join(30)
    assert order == ['first', 'next']


def test_openvino_compiles_alone(small_release, cache, monkeypatch):
    openvino = pytest.importorskip('openvino', reason='openvino is not installed')
    held = []

    class Watched(openvino.Core):
        def compile_model(self, path, *others):
            held.append(not free(Path(path)))
            return super().compile_model(path, *others)

    monkeypatch.setattr(openvino, 'Core', Watched)
    engine = OpenVinoEngine(small_release, cache=cache, threads=1)
    assert held == [True] and free(engine.graph_file)
