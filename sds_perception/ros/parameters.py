"""`NodeConfig` as ROS parameters: declared, described, checked, and current as `.config`.

The node reads nothing else.
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
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from sds_perception.ros.node_config import NodeConfig, ParameterError, check_value

ROS_OWN = ('use_sim_time', 'start_type_description_service')  # declared by rclpy itself


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


class Parameters:
    """The node's parameters, declared from `NodeConfig`; `config` is what the node runs with."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._fields = {each.name: each for each in fields(NodeConfig)}
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
        return self.config

    def _declare(self, schema: Field[Any]) -> None:
        name, default = schema.name, _to_ros(schema.default)
        given = self._node._parameter_overrides.get(name)
        if given is not None and isinstance(default, float) and isinstance(given.value, int):
            whole = Parameter(name, Parameter.Type.DOUBLE, float(given.value))  # `80` means 80.0
            self._node._parameter_overrides[name] = whole
        try:
            self._node.declare_parameter(name, default, descriptor(schema))
        except (InvalidParameterTypeException, InvalidParameterValueException) as problem:
            self._faults[name] = f'parameter {name} was given {given.value!r}: {problem}'
            self._node.declare_parameter(name, default, descriptor(schema), ignore_override=True)

    def _refuse_unknown(self) -> None:
        for name in self._node._parameter_overrides:
            if name in self._fields or name in ROS_OWN or name.startswith('qos_overrides.'):
                continue
            near = get_close_matches(name, self._fields, n=1)
            hint = f'; did you mean {near[0]}?' if near else ''
            raise ParameterError(f'unknown parameter {name}{hint}')

    def _value(self, name: str) -> Any:
        return _from_ros(self._node.get_parameter(name).value)

    def _on_change(self, changes: list[Parameter]) -> SetParametersResult:
        ours = [each for each in changes if each.name in self._fields]
        for each in ours:
            if self.fixed and not self._fields[each.name].metadata['live']:
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
    return tuple(v for v in value if v) if isinstance(value, list) else value
