"""What a session of ONNX Runtime is told, and what it keeps to itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sds_perception.engines.export import GraphShape, exported_onnx
from sds_perception.engines.onnx_session import provider_options

FINE = GraphShape((64, 96), 'fine')


@pytest.mark.parametrize(('precision', 'allowed'), [('fp32', '0'), ('fp16', '1')])
def test_only_float32_on_cuda_keeps_off_the_tensor_cores(precision, allowed, tmp_path):
    assert provider_options('cuda', 0, precision, tmp_path / 'graph.onnx')['use_tf32'] == allowed


@pytest.mark.parametrize('precision', ['fp32', 'fp16', 'int8'])
def test_tensorrt_halves_nothing_by_itself_and_computes_in_int8_where_told(precision, tmp_path):
    graph = tmp_path / 'graph.onnx'
    graph.touch()
    told = provider_options('tensorrt', 1, precision, graph)
    assert told['trt_fp16_enable'] == 'False'
    assert told['trt_int8_enable'] == str(precision == 'int8')


@pytest.mark.parametrize('provider', ['cuda', 'tensorrt'])
def test_a_session_is_told_which_device(provider, tmp_path):
    (tmp_path / 'graph.onnx').touch()
    assert provider_options(provider, 1, 'fp32', tmp_path / 'graph.onnx')['device_id'] == '1'


def test_tensorrt_builds_anew_where_a_graph_of_the_same_name_has_changed(tmp_path, monkeypatch):
    graph, folders = tmp_path / 'graph.int8.onnx', []
    for content, exact in ((b'ranges', ''), (b'other ranges', ''), (b'other ranges', '0')):
        graph.write_bytes(content)
        monkeypatch.setenv('NVIDIA_TF32_OVERRIDE', exact)
        folders.append(provider_options('tensorrt', 0, 'int8', graph)['trt_engine_cache_path'])
    assert len(set(folders)) == 3
    assert all(Path(each).parent == tmp_path for each in folders)


RUNS = """
import sys
from pathlib import Path
from sds_perception.engines.onnx_session import open_session
open_session(Path(sys.argv[1]), 'cpu', {}, 1)
"""


def test_a_session_keeps_and_sends_nothing_for_the_makers_of_the_runtime(
    small_release, cache, tmp_path
):
    """What it would send lies in the user's cache first; in a process that no test prepared."""
    graph = exported_onnx(small_release, FINE, cache)
    home = {name: str(tmp_path) for name in ('HOME', 'XDG_CACHE_HOME')}
    environment = {k: v for k, v in os.environ.items() if k != 'ORT_DISABLE_TELEMETRY'} | home
    subprocess.run([sys.executable, '-c', RUNS, str(graph)], env=environment, check=True)
    assert not [*tmp_path.iterdir()]
