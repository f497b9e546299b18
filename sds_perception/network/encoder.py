"""The shared encoder: a timm model seen as five feature maps."""

from __future__ import annotations

from typing import cast

import timm
from torch import Tensor, nn

from sds_perception.network.config import NetworkConfig, NetworkConfigError

TAP_STRIDES = (2, 4, 8, 16, 32)


class Encoder(nn.Module):
    """Five taps e0..e4 of one timm model, at strides 2, 4, 8, 16 and 32 (or 16 when dilated)."""

    def __init__(self, config: NetworkConfig, *, pretrained: bool = False) -> None:
        super().__init__()
        options = dict(config.encoder_options)
        if config.output_stride != TAP_STRIDES[-1]:
            options['output_stride'] = config.output_stride
        try:
            self.taps = timm.create_model(
                config.encoder, features_only=True, pretrained=pretrained, **options
            )
        except (RuntimeError, TypeError, ValueError) as problem:
            raise NetworkConfigError(
                f'encoder {config.encoder!r} with {options} cannot be made by timm: {problem}'
            ) from problem
        wanted = tuple(min(stride, config.output_stride) for stride in TAP_STRIDES)
        found = tuple(self.taps.feature_info.reduction())
        if found != wanted:
            raise NetworkConfigError(
                f'encoder {config.encoder!r} has taps at strides {found}, wanted {wanted}'
            )
        self.channels = tuple(cast('list[int]', self.taps.feature_info.channels()))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Feature maps e0..e4 of a normalised image, (B, 3, H, W)."""
        return cast('list[Tensor]', self.taps(image))
