"""`NodeConfig` as ROS parameters: declared, described, checked, and current as `.config`.

The node reads nothing else. A start value that cannot be is kept as a fault until `configure`:
raised while the node is made it would end the process, and an operator could neither read it in
the diagnostics nor mend it with `ros2 param set`.
"""

from __future__ import annotations

from dataclasses import Field, fields, replace
from difflib import get_close_matches
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from sds_perception.ros.node_config import NodeConfig, ParameterError, check_value

ROS_OWN = ('use_sim_time', 'start_type_description_service')  # declared by rclpy itself
ROS_TOPICS = ('qos_overrides./clock.', 'qos_overrides./parameter_events.')  # rclpy's as well
KINDS = {
    bool: 'true or false',
    int: 'a whole number',
    float: 'a number',
    str: 'a text',
    tuple: 'a list of texts',
}


def descriptor(schema: Field[Any]) -> ParameterDescriptor:
    """What `ros2 param describe` shows for one field of `NodeConfig`."""
    meta = schema.metadata
    described = ParameterDescriptor(description=meta['description'])
    described.additional_constraints = '; '.join(
        part
        for part in (
            f'one of: {", ".join(meta["choices"])}' if meta['choices'] else '',
            'live' if meta['live'] else 'fixed while configured',
        )
        if part
    )
    if meta['bounds'] and isinstance(schema.default, float):
        low, high = meta['bounds']
        described.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    elif meta['bounds']:
        low, high = meta['bounds']
        described.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
    return described


def start_value(schema: Field[Any], given: Parameter | None) -> Any:
    """The value of a field that was `given` this override, its default where it was given none.

    Raises:
        ParameterError: the field cannot be that; in one sentence.
    """
    if given is None or given.type_ == Parameter.Type.NOT_SET:  # an empty list has no type in ROS
        return schema.default
    value = _from_ros(given.value)
    kind = type(schema.default)
    if kind is float and type(value) is int:
        value = float(value)  # `80` means 80.0
    texts = not isinstance(value, tuple) or all(isinstance(each, str) for each in value)
    if type(value) is not kind or not texts:  # exactly: to Python `yes` is 1
        raise ParameterError(f'{schema.name} must be {KINDS[kind]}, got {given.value!r}')
    check_value(schema, value)
    return value


class Parameters:
    """The node's parameters, declared from `NodeConfig`; `config` is what the node runs with."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._fields = {each.name: each for each in fields(NodeConfig)}
        self._given: dict[str, Parameter] = dict(node._parameter_overrides)
        self._faults: dict[str, str] = {}  # name -> why its start value was refused
        self.fixed = False  # True from configure to cleanup
        for each in self._fields.values():
            self._declare(each)
        self.config = NodeConfig()
        node.add_on_set_parameters_callback(self._on_change)

    def settle(self) -> NodeConfig:
        """Check the values the node was started with; raise `ParameterError` naming the first."""
        self._refuse_unknown()
        if self._faults:
            raise ParameterError(next(iter(self._faults.values())))
        self.config = NodeConfig(**{name: self._value(name) for name in self._fields})
        if not self.config.release:
            raise ParameterError(
                "release is '', wanted a .safetensors file: launch with release:=FILE, or with "
                'release:=demo for the one that ships with the package'
            )
        return self.config

    def _declare(self, schema: Field[Any]) -> None:
        try:
            value = start_value(schema, self._given.get(schema.name))
        except ParameterError as problem:
            value, self._faults[schema.name] = schema.default, str(problem)
        told = _to_ros(value), descriptor(schema)
        self._node.declare_parameter(schema.name, *told, ignore_override=True)

    def _refuse_unknown(self) -> None:
        for name in self._given:
            if name in self._fields or name in ROS_OWN or name.startswith(ROS_TOPICS):
                continue
            if name.startswith('qos_overrides.'):
                raise ParameterError(
                    f'{name} is not supported: the node asks what each publisher offers; '
                    'qos_reliability changes that'
                )
            if near := get_close_matches(name, self._fields, n=1):
                raise ParameterError(f'unknown parameter {name}; did you mean {near[0]}?')
            # A file for all nodes of a robot may name what only others know.
            self._node.get_logger().warning(f'parameter {name} is unknown here, nothing reads it')

    def _value(self, name: str) -> Any:
        return _from_ros(self._node.get_parameter(name).value)

    def _is_live(self, change: Parameter) -> bool:
        return bool(self._fields[change.name].metadata['live'])

    def _is_so(self, change: Parameter) -> bool:
        """Whether it is that already, as in `ros2 param load` of what the node dumped."""
        return _from_ros(change.value) == getattr(self.config, change.name)

    def _on_change(self, changes: list[Parameter]) -> SetParametersResult:
        ours = [each for each in changes if each.name in self._fields]
        for each in ours:
            if self.fixed and not (self._is_live(each) or self._is_so(each)):
                return _refused(
                    f'{each.name} is fixed while the node is configured: deactivate and clean up, '
                    'set it, and configure again'
                )
        values = {each.name: _from_ros(each.value) for each in ours}
        try:
            for name, value in values.items():  # whether they go together is seen in `settle`
                check_value(self._fields[name], value)
            if self.fixed:
                self.config = replace(self.config, **values)
        except ParameterError as problem:
            return _refused(str(problem))
        for each in ours:
            self._faults.pop(each.name, None)
        return SetParametersResult(successful=True)


def _refused(reason: str) -> SetParametersResult:
    return SetParametersResult(successful=False, reason=reason)


def _to_ros(value: Any) -> Any:
    return (list(value) or ['']) if isinstance(value, tuple) else value  # [] has no type in ROS


def _from_ros(value: Any) -> Any:
    return (
        value
        if isinstance(value, bool | int | float | str)
        else tuple(v for v in value if v != '')
    )
