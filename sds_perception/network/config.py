"""Everything `network/` may know: one frozen, serialisable description of a network."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from sds_perception.labels import CLASSES

COARSEST_LEVEL = 4  # level i works at stride 2**i; the encoder's last tap enters at level 4
CHOICES = {
    'merge': ('add', 'concat'),
    'block': ('batch_relu', 'reflect_elu'),
    'exchange': ('ccam', 'pad', 'none'),
    'ccam_activation': ('sigmoid', 'softmax', 'tanh'),
}


class NetworkConfigError(ValueError):
    """A network that cannot be built; the message names the field, the value and the rule."""


@dataclass(frozen=True)
class NetworkConfig:
    """One SDS network: encoder, two decoders of one shape, what they exchange, depth range."""

    encoder: str = 'resnet18'
    """Name of a timm model with `features_only` and five taps."""

    encoder_options: dict[str, Any] = field(default_factory=dict)
    """Further keyword arguments of `timm.create_model`, such as channel widths."""

    output_stride: int = 32
    """Stride of the encoder's last tap: 32, or 16 with a dilated last stage."""

    decoder_channels: tuple[int, ...] = (64, 64, 64)
    """Channels per decoder level from level 4 (stride 16) to finer ones; its length decides the
    finest level: three entries end at level 2 (stride 4), five at level 0 (full size)."""

    merge: str = 'add'
    """How a level takes its skip: 'concat' (method.md 1.2) or 'add' after a 1x1 projection."""

    block: str = 'batch_relu'
    """3x3 block: 'batch_relu' (zero padding, BatchNorm, ReLU) or 'reflect_elu' (method.md 1.2)."""

    aspp: bool = False
    """Whether atrous spatial pyramid pooling opens each decoder."""

    exchange: str = 'ccam'
    """What the decoders lend each other: 'ccam', 'pad' (gated convolution) or 'none'."""

    exchange_levels: tuple[int, ...] = (2,)
    """Decoder levels after which the exchange happens."""

    ccam_activation: str = 'sigmoid'
    """Activation of channel affinities: 'sigmoid' or 'softmax' (rows sum to 1), or 'tanh'."""

    ccam_shared: bool = False
    """Whether the second direction reuses the transposed affinity of the first (method.md 2.2)."""

    classes: int = len(CLASSES)
    """Number of semantic classes."""

    depth_range: tuple[float, float] = (0.1, 100.0)
    """Nearest and farthest depth that sigmoid disparity 1 and 0 stand for."""

    pixel_mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Mean of RGB in [0, 1], subtracted inside the network."""

    pixel_std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    """Standard deviation of RGB in [0, 1], divided by inside the network."""

    def __post_init__(self) -> None:
        for each in fields(self):
            object.__setattr__(self, each.name, _without_lists(getattr(self, each.name)))
        self._check_decoders()
        self._check_pixels()

    def _check_decoders(self) -> None:
        self._require('output_stride', self.output_stride in (16, 32), '16 or 32')
        self._require(
            'decoder_channels',
            1 <= len(self.decoder_channels) <= 5 and min(self.decoder_channels) >= 4,
            '1 to 5 entries of at least 4',  # CCAM squeezes channels by 4
        )
        self._require('classes', self.classes >= 1, '1 or more')
        for name, choices in CHOICES.items():
            self._require(name, getattr(self, name) in choices, f'one of {choices}')
        self._require(
            'exchange_levels',
            set(self.exchange_levels) <= set(self.levels),
            f'levels among {self.levels}',
        )

    def _check_pixels(self) -> None:
        nearest_first = (
            len(self.depth_range) == 2 and 0 < self.depth_range[0] < self.depth_range[1]
        )
        self._require(
            'depth_range', nearest_first, '(nearest, farthest) with 0 < nearest < farthest'
        )
        self._require('pixel_mean', len(self.pixel_mean) == 3, 'one number for each of RGB')
        std_usable = len(self.pixel_std) == 3 and min(self.pixel_std) > 0
        self._require('pixel_std', std_usable, 'a positive number for each of RGB')

    def _require(self, name: str, holds: bool, wanted: str) -> None:
        if not holds:
            raise NetworkConfigError(f'network {name} is {getattr(self, name)!r}, wanted {wanted}')

    @property
    def levels(self) -> tuple[int, ...]:
        """Decoder levels from coarse to fine; level i works at stride 2**i."""
        return tuple(range(COARSEST_LEVEL, COARSEST_LEVEL - len(self.decoder_channels), -1))

    @property
    def size_multiple(self) -> int:
        """Height and width of an input must be multiples of this."""
        return 32

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetworkConfig:
        """The inverse of `dataclasses.asdict`; refuses unknown and missing keys."""
        known = {each.name for each in fields(cls)}
        if set(values) != known:
            unknown, missing = sorted(set(values) - known), sorted(known - set(values))
            raise NetworkConfigError(f'network config: unknown keys {unknown}, missing {missing}')
        return cls(**values)


def _without_lists(value: Any) -> Any:
    """The value with tuples for lists, also inside a dict: JSON and YAML know no tuples."""
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, dict):
        return {name: _without_lists(each) for name, each in value.items()}
    return value


NETWORKS: dict[str, NetworkConfig] = {
    'vehicle': NetworkConfig(),
    'paper': NetworkConfig(
        encoder='resnet101',
        output_stride=16,
        decoder_channels=(256, 256, 128, 128, 64),
        merge='concat',
        block='reflect_elu',
        aspp=True,
        pixel_mean=(0.45, 0.45, 0.45),
        pixel_std=(0.225, 0.225, 0.225),
    ),
    'tiny': NetworkConfig(
        encoder='resnet10t',
        encoder_options={'channels': (24, 48, 96, 160), 'stem_width': 8},
        decoder_channels=(32, 32, 32),
    ),
}
"""Named configurations: for the car, for the paper's figures, for tests and CPU training."""
