from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest
from node_graph import Graph
from rclpy.parameter import Parameter

import sds_perception.ros
from sds_perception.ros.node_config import NodeConfig, ParameterError
from sds_perception.ros.parameters import descriptor, start_value


def test_every_parameter_is_read_somewhere() -> None:
    sources = Path(sds_perception.ros.__file__).parent.rglob('*.py')
    code = '\n'.join(p.read_text() for p in sources if p.name != 'node_config.py')
    code += inspect.getsource(NodeConfig.camera_height_m_of)
    code += inspect.getsource(NodeConfig.fixed_scale_of)
    unread = [f.name for f in fields(NodeConfig) if not re.search(rf'\.{f.name}\b', code)]
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
        {'lens': 'bent'},
        {'cameras': ('front', 'front')},
        {'cameras': ('front camera',)},
        {'cameras': ('före',)},
        {'cameras': ('_front',)},
        {'camera_heights': ('front',)},
        {'camera_heights': ('front=nan',), 'cameras': ('front',)},
        {'fixed_scales': ('front=0',), 'cameras': ('front',)},
        {'camera_heights': ('rear=1.0',), 'cameras': ('front',)},
        {'camera_height_m': 1.65, 'cameras': ('front', 'rear')},
        {'fixed_scale': 2.0, 'cameras': ('front', 'rear')},
    ],
)
def test_an_impossible_value_is_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        NodeConfig(**wrong)


def test_outputs_may_be_of_the_whole_size() -> None:
    assert NodeConfig(output_size='1').output_size == '1'


def test_each_of_several_cameras_has_its_own_height_and_scale() -> None:
    told = {'camera_heights': ('front=1.65', 'rear=1.0'), 'fixed_scales': ('rear=2.0',)}
    config = NodeConfig(cameras=('front', 'rear'), **told)
    assert [config.camera_height_m_of(name) for name in config.cameras] == [1.65, 1.0]
    assert [config.fixed_scale_of(name) for name in config.cameras] == [0.0, 2.0]
    assert NodeConfig(camera_height_m=1.5).camera_height_m_of('') == 1.5


SCHEMA = {each.name: each for each in fields(NodeConfig)}


@pytest.mark.parametrize(
    ('name', 'given', 'sentence'),
    [
        ('camera_height_m', True, 'camera_height_m must be a number, got True'),
        ('threads', True, 'threads must be a whole number, got True'),
        ('threads', 1.5, 'threads must be a whole number, got 1.5'),
        ('always_run', 1, 'always_run must be true or false, got 1'),
        ('output_size', 0.5, 'output_size must be a text, got 0.5'),
        ('cameras', 'front', "cameras must be a list of texts, got 'front'"),
        ('cameras', [1, 2], r'cameras must be a list of texts, got \[1, 2\]'),
        ('cameras', [False], r'cameras must be a list of texts, got \[False\]'),
        ('scale_source', [0.0], r'scale_source must be a list of texts, got \[0.0\]'),
        ('max_depth_m', -1, 'max_depth_m must lie between 0 and 10000, got -1.0'),
    ],
)
def test_a_start_value_of_another_kind_is_refused_with_what_was_wanted(
    name: str, given: object, sentence: str
) -> None:
    with pytest.raises(ParameterError, match=f'^{sentence}$'):
        start_value(SCHEMA[name], Parameter(name, value=given))


@pytest.mark.parametrize(
    ('name', 'given', 'value'),
    [
        ('max_depth_m', 80, 80.0),
        ('cameras', [], ()),
        ('cameras', [''], ()),
        ('cameras', None, ()),  # what `cameras: []` in a file becomes: not set
        ('cameras', ['front'], ('front',)),
        ('scale_source', None, ('release', 'camera_height', 'fixed')),
    ],
)
def test_a_start_value_may_be_whole_or_empty(name: str, given: object, value: object) -> None:
    found = start_value(SCHEMA[name], Parameter(name, value=given))
    assert found == value and type(found) is type(value)


def test_a_node_without_a_release_says_how_to_give_one(graph: Graph) -> None:
    node = graph.node(release='')
    assert not configures(node)
    assert "release is '', wanted a .safetensors file: launch with release:=FILE" in why(node)


def test_qos_overrides_are_for_the_topics_of_rclpy_only(graph: Graph) -> None:
    assert configures(graph.node(**{'qos_overrides./clock.subscription.depth': 3}))
    node = graph.node(**{'qos_overrides./image.subscription.depth': 3})
    assert not configures(node)
    assert 'qos_overrides./image.subscription.depth is not supported' in why(node)


def test_an_unknown_parameter_fails_configure_and_names_the_nearest(graph: Graph) -> None:
    node = graph.node(relase='x')
    assert not configures(node)
    assert 'unknown parameter relase; did you mean release?' in why(node)


def test_a_parameter_meant_for_other_nodes_is_no_reason_to_refuse(graph: Graph) -> None:
    assert configures(graph.node(robot_base_frame='base_link'))  # as in a file for /**


def test_what_the_node_dumped_can_be_loaded_again_while_it_is_configured(graph: Graph) -> None:
    node = graph.active()
    for name in (each.name for each in fields(NodeConfig)):
        assert set_one(node, name, node.get_parameter(name).value).successful, name


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
    assert why(node) == 'cannot configure: provider does nothing for the engine torch'
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
