"""Every parameter of the node, once: type, default, range, description, live or fixed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any

from sds_perception.engines import ENGINES, PRECISIONS, EngineError, parsed_device
from sds_perception.engines.options import unused_option

SCALE_SOURCES = ('release', 'camera_height', 'fixed', 'none')


class ParameterError(ValueError):
    """A parameter nobody declared, or a value it cannot take; the message is one sentence."""


def setting(
    default: Any,
    description: str,
    *,
    live: bool = False,
    bounds: tuple[float, float] | None = None,
    choices: Sequence[str] = (),
    check: Callable[[Any], None] = lambda value: None,
) -> Any:
    """One field of the schema; `live` ones may change while the node is configured.

    `check` raises ParameterError for what neither bounds nor choices can tell.
    """
    return field(
        default=default,
        metadata={
            'description': description,
            'live': live,
            'bounds': bounds,
            'choices': tuple(choices),
            'check': check,
        },
    )


def _device(value: str) -> None:
    try:
        parsed_device(value)
    except EngineError as problem:
        raise ParameterError(str(problem)) from problem


def _cameras(value: tuple[str, ...]) -> None:
    for name in value:
        if not re.fullmatch('[A-Za-z][A-Za-z0-9_]*', name) or value.count(name) > 1:
            raise ParameterError(
                f'cameras must be distinct names such as front or rear_2, got {name!r}'
            )


def _scale_source(value: tuple[str, ...]) -> None:
    if wrong := [each for each in value if each not in SCALE_SOURCES]:
        raise ParameterError(f'scale_source knows {", ".join(SCALE_SOURCES)}, not {wrong[0]!r}')


def _by_camera(value: tuple[str, ...]) -> dict[str, float]:
    """Numbers above 0 by camera name, from texts such as 'front=1.65'."""
    found = {}
    for each in value:
        name, _, number = each.partition('=')
        found[name] = number_in(number)
        if not 0 < found[name] < math.inf:
            raise ParameterError(
                f"camera_heights and fixed_scales want texts such as 'front=1.65', got {each!r}"
            )
    return found


def _output_size(value: str) -> None:
    if value not in ('camera', 'network') and not 0 < number_in(value) <= 1:
        raise ParameterError(
            f"output_size must be 'camera', 'network' or a fraction in (0, 1], got {value!r}"
        )


def number_in(text: str) -> float:
    """The number in `text`; 0 where it is none."""
    try:
        return float(text)
    except ValueError:
        return 0.0


@dataclass(frozen=True)
class NodeConfig:
    """What an operator can tell the node; building one checks every value."""

    release: str = setting(
        '', "Release file to run (.safetensors); 'demo' is the one that ships with the package"
    )
    device: str = setting(
        'cuda', "Where the network runs: 'cpu', 'cuda' or 'cuda:N'", check=_device
    )
    engine: str = setting('torch', 'How it runs', choices=tuple(ENGINES))
    provider: str = setting(
        '',
        "Execution provider of onnxruntime; '' is the one named like the device",
        choices=('', 'cpu', 'cuda', 'tensorrt'),
    )
    precision: str = setting(
        '',
        "Of the network; '' is the engine's own for the device",
        choices=('', *PRECISIONS),
    )
    engine_cache: str = setting('', "Folder that keeps built engines; '' is the user's cache")
    detail: str = setting(
        'fast', 'Upsample class numbers (fast) or scores (fine)', choices=('fast', 'fine')
    )
    threads: int = setting(0, 'CPU threads of the network; 0 leaves the default', bounds=(0, 256))
    cameras: tuple[str, ...] = setting(
        (),
        'Camera names, each with NAME/image and NAME/camera_info; none: image, camera_info',
        check=_cameras,
    )
    image_transport: str = setting(
        'raw', 'Subscribe to IMAGE or IMAGE/compressed', choices=('raw', 'compressed')
    )
    qos_reliability: str = setting(
        'match',
        'Reliability asked of the camera; match takes what its publisher offers',
        choices=('match', 'best_effort', 'reliable'),
    )
    lens: str = setting(
        'raw',
        'Pictures are raw and stay so, raw to rectify here, or rectified already (image_rect)',
        choices=('raw', 'rectify', 'rectified'),
    )
    hood_mask: str = setting(
        '',
        'Picture, non-zero where the vehicle sees itself (once rectified, with lens rectify); '
        "'{camera}' is the camera's name",
    )
    output_size: str = setting(
        'camera',
        "Size of all outputs: 'camera', 'network', or a fraction such as '0.5'",
        check=_output_size,
    )
    depth_encoding: str = setting(
        '32FC1', 'Metric depth in metres or millimetres', choices=('32FC1', '16UC1')
    )
    scale_source: tuple[str, ...] = setting(
        ('release', 'camera_height', 'fixed'),
        'Where metres come from, first that knows wins; none ends the list',
        check=_scale_source,
    )
    camera_height_m: float = setting(
        0.0, 'Height of the camera over the road; 0 is unknown', live=True, bounds=(0.0, 20.0)
    )
    fixed_scale: float = setting(
        0.0, 'Metres per unit of relative depth; 0 is unknown', live=True, bounds=(0.0, 1e4)
    )
    camera_heights: tuple[str, ...] = setting(
        (),
        "camera_height_m of each of several cameras, such as 'front=1.65'",
        live=True,
        check=_by_camera,
    )
    fixed_scales: tuple[str, ...] = setting(
        (),
        "fixed_scale of each of several cameras, such as 'front=2.1'",
        live=True,
        check=_by_camera,
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
            check_value(each, getattr(self, each.name))
        if unused := unused_option(self.engine, self.provider, self.engine_cache):
            name = {'cache': 'engine_cache'}.get(unused, unused)
            raise ParameterError(f'{name} does nothing for the engine {self.engine}')
        self._check_scales('camera_height_m', self.camera_height_m, 'camera_heights')
        self._check_scales('fixed_scale', self.fixed_scale, 'fixed_scales')

    def _check_scales(self, one: str, value: float, each: str) -> None:
        """Cameras hang at different heights: one number for all would be wrong metres."""
        if value and len(self.cameras) > 1:
            raise ParameterError(
                f'{one} is {value:g} for {len(self.cameras)} cameras, wanted {each} with a number '
                f"for each, such as '{self.cameras[0]}={value:g}'"
            )
        for name in _by_camera(getattr(self, each)):
            if name not in self.cameras:
                raise ParameterError(f'{each} names {name!r}, which is none of the cameras')

    def camera_height_m_of(self, camera: str) -> float:
        """Metres over the road of a camera, '' where there is but one; 0 is unknown."""
        return _by_camera(self.camera_heights).get(camera, self.camera_height_m)

    def fixed_scale_of(self, camera: str) -> float:
        """Metres per unit of a camera's relative depth; 0 is unknown."""
        return _by_camera(self.fixed_scales).get(camera, self.fixed_scale)


def check_value(schema: Field[Any], value: Any) -> None:
    """Raise ParameterError where this field cannot be `value`, whatever the others are."""
    bounds, choices = schema.metadata['bounds'], schema.metadata['choices']
    if choices and value not in choices:
        raise ParameterError(f'{schema.name} must be one of {", ".join(choices)}, got {value!r}')
    if bounds and not bounds[0] <= value <= bounds[1]:
        raise ParameterError(
            f'{schema.name} must lie between {bounds[0]:g} and {bounds[1]:g}, got {value!r}'
        )
    schema.metadata['check'](value)
