"""Every parameter of the node, once: type, default, range, description, live or fixed.

`NodeConfig` is the schema. `Parameters` declares it on a node, checks every change, and always
holds the current values as `.config`; the node reads nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import Field, dataclass, field, fields, replace
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

SCALE_SOURCES = ('release', 'camera_height', 'fixed', 'none')
ROS_OWN = ('use_sim_time', 'start_type_description_service')  # declared by rclpy itself


class ParameterError(ValueError):
    """A parameter nobody declared, or a value it cannot take; the message is one sentence."""


def setting(
    default: Any,
    description: str,
    *,
    live: bool = False,
    bounds: tuple[float, float] | None = None,
    choices: Sequence[str] = (),
) -> Any:
    """One field of the schema; `live` ones may change while the node is configured."""
    return field(
        default=default,
        metadata={
            'description': description,
            'live': live,
            'bounds': bounds,
            'choices': tuple(choices),
        },
    )


@dataclass(frozen=True)
class NodeConfig:
    """What an operator can tell the node; building one checks every value."""

    release: str = setting('', 'Release file to run (.safetensors)')
    device: str = setting('cuda', "Where the network runs: 'cpu', 'cuda' or 'cuda:N'")
    engine: str = setting('torch', 'How it runs', choices=('torch', 'onnxruntime'))
    engine_cache: str = setting('', "Folder that keeps built engines; '' is the user's cache")
    detail: str = setting(
        'fast', 'Upsample class numbers (fast) or scores (fine)', choices=('fast', 'fine')
    )
    threads: int = setting(0, 'CPU threads of the network; 0 leaves the default', bounds=(0, 256))
    cameras: tuple[str, ...] = setting(
        (), 'Camera names, each with NAME/image and NAME/camera_info; none: image, camera_info'
    )
    image_transport: str = setting(
        'raw', 'Subscribe to IMAGE or IMAGE/compressed', choices=('raw', 'compressed')
    )
    qos_reliability: str = setting(
        'match',
        'Reliability asked of the camera; match takes what its publisher offers',
        choices=('match', 'best_effort', 'reliable'),
    )
    rectify: bool = setting(False, 'Undistort with CameraInfo before the network')
    hood_mask: str = setting(
        '', "Picture, non-zero where the vehicle sees itself; '{camera}' is the camera's name"
    )
    output_size: str = setting(
        'camera', "Size of all outputs: 'camera', 'network', or a fraction such as '0.5'"
    )
    depth_encoding: str = setting(
        '32FC1', 'Metric depth in metres or millimetres', choices=('32FC1', '16UC1')
    )
    scale_source: tuple[str, ...] = setting(
        ('release', 'camera_height', 'fixed'),
        'Where metres come from, first that knows wins; none ends the list',
    )
    camera_height_m: float = setting(
        0.0, 'Height of the camera over the road; 0 is unknown', live=True, bounds=(0.0, 20.0)
    )
    fixed_scale: float = setting(
        0.0, 'Metres per unit of relative depth; 0 is unknown', live=True, bounds=(0.0, 1e4)
    )
    max_depth_m: float = setting(
        80.0, 'Metric depth beyond this is unknown; 0 keeps all', live=True, bounds=(0.0, 1e4)
    )
    max_age_s: float = setting(
        0.0, 'Skip frames older than this; 0 takes any', live=True, bounds=(0.0, 3600.0)
    )
    max_rate_hz: float = setting(
        0.0, 'Frames per second and camera at most; 0 is no limit', live=True, bounds=(0.0, 1e3)
    )
    always_run: bool = setting(False, 'Run the network though nobody subscribes', live=True)
    batch_deadline_s: float = setting(
        0.01, 'Wait at most this long for the other cameras', live=True, bounds=(0.0, 1.0)
    )
    cloud_decimation: int = setting(
        4, 'Every n-th row and column becomes a point', live=True, bounds=(1, 64)
    )
    overlay_alpha: float = setting(
        0.5, 'Strength of the class colours over the picture', live=True, bounds=(0.0, 1.0)
    )
    jpeg_quality: int = setting(
        90, 'Of the compressed pictures for people', live=True, bounds=(1, 100)
    )
    diagnostics_period_s: float = setting(
        1.0, 'Between two diagnostic messages', bounds=(0.05, 60.0)
    )
    report_file: str = setting('', "JSON report written on clean-up and shutdown; '' writes none")

    def __post_init__(self) -> None:
        for each in fields(self):
            _check_field(each, getattr(self, each.name))
        if wrong := [s for s in self.scale_source if s not in SCALE_SOURCES]:
            raise ParameterError(
                f'scale_source knows {", ".join(SCALE_SOURCES)}, not {wrong[0]!r}'
            )
        for name in self.cameras:
            if not name.isidentifier() or self.cameras.count(name) > 1:
                raise ParameterError(f'cameras needs distinct topic-safe names, got {name!r}')
        if self.output_size not in ('camera', 'network') and not 0 < self.output_fraction <= 1:
            raise ParameterError(
                "output_size must be 'camera', 'network' or a fraction in (0, 1], "
                f'got {self.output_size!r}'
            )

    @property
    def output_fraction(self) -> float:
        """The fraction in `output_size`; 0 where it is not a number."""
        try:
            return float(self.output_size)
        except ValueError:
            return 0.0


def _check_field(schema: Field[Any], value: object) -> None:
    bounds, choices = schema.metadata['bounds'], schema.metadata['choices']
    if choices and value not in choices:
        raise ParameterError(f'{schema.name} must be one of {", ".join(choices)}, got {value!r}')
    if bounds and not bounds[0] <= value <= bounds[1]:  # type: ignore[operator]
        raise ParameterError(
            f'{schema.name} must lie between {bounds[0]:g} and {bounds[1]:g}, got {value!r}'
        )


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
    """The node's parameters, declared from `NodeConfig`; `config` is always the current state."""

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
        value = self._node.get_parameter(name).value
        return tuple(v for v in value if v) if isinstance(value, list) else value

    def _on_change(self, changes: list[Parameter]) -> SetParametersResult:
        ours = [each for each in changes if each.name in self._fields]
        for each in ours:
            if self.fixed and not self._fields[each.name].metadata['live']:
                return _refused(
                    f'{each.name} is fixed while the node is configured: deactivate and clean up, '
                    'set it, and configure again'
                )
        try:
            values = {p.name: _from_ros(p.value) for p in ours}
            changed = replace(self.config, **values)
        except ParameterError as problem:
            return _refused(str(problem))
        if self.fixed:
            self.config = changed
        for each in ours:
            self._faults.pop(each.name, None)
        return SetParametersResult(successful=True)


def _refused(reason: str) -> SetParametersResult:
    return SetParametersResult(successful=False, reason=reason)


def _to_ros(value: Any) -> Any:
    return (list(value) or ['']) if isinstance(value, tuple) else value  # [] has no type in ROS


def _from_ros(value: Any) -> Any:
    return tuple(v for v in value if v) if isinstance(value, list) else value
