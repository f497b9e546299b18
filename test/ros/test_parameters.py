from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from node_graph import Graph
from rclpy.parameter import Parameter

import sds_perception.ros
from sds_perception.ros.node_config import NodeConfig, ParameterError
from sds_perception.ros.parameters import descriptor


def test_every_parameter_is_read_somewhere() -> None:
    sources = Path(sds_perception.ros.__file__).parent.glob('*.py')
    code = '\n'.join(p.read_text() for p in sources if p.name != 'node_config.py')
    unread = [f.name for f in fields(NodeConfig) if not re.search(rf'\.{f.name}\b', code)]
    unread = [name for name in unread if name != 'output_size' or '.output_fraction' not in code]
    assert unread == []


def test_every_parameter_says_what_it_is_and_its_default_is_allowed() -> None:
    NodeConfig()
    for each in fields(NodeConfig):
        described = descriptor(each)
        assert described.description and described.additional_constraints


@pytest.mark.parametrize(
    'wrong',
    [
        {'device': 'gpu'},
        {'engine': 'caffe'},
        {'max_depth_m': -1.0},
        {'jpeg_quality': 0},
        {'output_size': '1.5'},
        {'output_size': 'huge'},
        {'scale_source': ('lidar',)},
        {'cameras': ('front', 'front')},
        {'cameras': ('front camera',)},
        {'cameras': ('före',)},
        {'cameras': ('_front',)},
    ],
)
def test_an_impossible_value_is_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        NodeConfig(**wrong)


def test_an_unknown_parameter_fails_configure_and_names_the_nearest(graph: Graph) -> None:
    node = graph.node(relase='x')
    assert not configures(node)
    assert 'unknown parameter relase; did you mean release?' in why(node)


def test_a_value_out_of_range_fails_configure_and_can_be_mended(graph: Graph) -> None:
    node = graph.node(jpeg_quality=1000)
    assert not configures(node)
    assert 'jpeg_quality' in why(node)
    assert set_one(node, 'jpeg_quality', 90).successful
    assert configures(node)


def test_a_whole_number_is_taken_for_a_float(graph: Graph) -> None:
    node = graph.active(max_depth_m=50)
    assert node.config.max_depth_m == 50.0


def test_a_live_parameter_changes_at_once(graph: Graph) -> None:
    node = graph.active()
    assert set_one(node, 'overlay_alpha', 0.25).successful
    assert node.config.overlay_alpha == 0.25


def test_a_fixed_parameter_says_how_to_change_it(graph: Graph) -> None:
    node = graph.active()
    refusal = set_one(node, 'engine', 'onnxruntime')
    assert not refusal.successful
    assert 'clean up' in refusal.reason
    assert node.config.engine == 'torch'


def test_a_fixed_parameter_can_be_set_again_after_cleanup(graph: Graph) -> None:
    node = graph.active()
    node.trigger_deactivate()
    node.trigger_cleanup()
    assert set_one(node, 'depth_encoding', '16UC1').successful
    assert configures(node)
    assert node.config.depth_encoding == '16UC1'


def test_an_unconfigured_node_takes_changes_in_any_order_and_checks_them_together_later(
    graph: Graph, tiny_release: Path
) -> None:
    node = graph.node(engine='onnxruntime', provider='cpu', release='/no/such.safetensors')
    assert not configures(node)  # the engine is remembered, as it is after a cleanup
    assert set_one(node, 'release', str(tiny_release)).successful
    assert set_one(node, 'engine', 'torch').successful
    assert not configures(node)
    assert why(node) == 'cannot configure: provider is for the onnxruntime engine only'
    assert set_one(node, 'provider', '').successful
    assert not set_one(node, 'device', 'gpu').successful
    assert configures(node)
    assert node.config.engine == 'torch'


@pytest.mark.parametrize(('name', 'value'), [('overlay_alpha', 1.5), ('cloud_decimation', 0)])
def test_a_refused_change_names_the_parameter_and_changes_nothing(
    graph: Graph, name: str, value: float
) -> None:
    node = graph.active()
    before = node.config
    refusal = set_one(node, name, value)
    assert not refusal.successful
    assert name in refusal.reason
    assert node.config == before


def configures(node) -> bool:
    return node.trigger_configure().name == 'SUCCESS'


def set_one(node, name: str, value: object):
    return node.set_parameters([Parameter(name, value=value)])[0]


def why(node) -> str:
    return node.trouble[1]
