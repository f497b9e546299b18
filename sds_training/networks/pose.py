"""How the camera moved between two frames (method.md 1.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sds_training.config_error import ConfigError
from sds_training.geometry import invert_rigid, rigid_transform

SMALL_WIDTHS = (16, 32, 64, 96, 128)  # channels at strides 2, 4, 8, 16 and 32
TIMM_HEAD_WIDTH = 256
ROTATION_SCALE = 0.01  # turns between video frames are small; training starts near none
MOVED_M = 1e-3  # below this a vehicle stands, and its direction means nothing


@dataclass(frozen=True)
class PoseConfig:
    """Which network judges the camera's motion."""

    encoder: str = 'small'
    """'small' (five strided convolutions, for CPUs), or a timm model such as 'resnet18'."""

    pretrained: bool = False
    """Start a timm encoder from public ImageNet weights, tiled over both frames and halved."""

    translation_scale: float = 0.1
    """Translation, in the unit of depth, that the head's output 1 stands for. It must let motion
    grow as fast as depth shrinks: with the 0.01 of method.md 1.3 a fast decoder explains parallax
    by depth alone, until its disparity is stuck at 1."""

    odometry: bool = False
    """Whether the vehicle's speed, yaw rate and camera mounting say how it moved: then the network
    judges only what they leave open, the direction of travel and a small turn besides."""

    align: bool = False
    """Whether each motion is then turned until the warped neighbours fit the target
    (geometry/alignment.py). With odometry the vehicle's word is taken for all but the pitch and
    roll of bumps, and the pose network is not asked."""

    @property
    def learned(self) -> bool:
        """Whether the pose network has a say."""
        return not (self.odometry and self.align)

    def __post_init__(self) -> None:
        if self.encoder == 'small' and self.pretrained:
            raise ConfigError(
                "pose.pretrained is true but pose.encoder 'small' has no public weights; "
                "set pose.encoder to a timm model such as 'resnet18'"
            )


class PoseNetwork(nn.Module):
    """Looks at two frames in temporal order and says how the camera moved."""

    def __init__(self, config: PoseConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder, channels = _encoder(config)
        width = SMALL_WIDTHS[-1] if config.encoder == 'small' else TIMM_HEAD_WIDTH
        self.head = nn.Sequential(
            nn.Conv2d(channels, width, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, 6, 1),
        )
        _start_with_kept_variance(self.head)
        if config.odometry:  # what the vehicle says is the best first guess: nothing to add yet
            nn.init.zeros_(cast(nn.Conv2d, self.head[-1]).weight)

    def forward(self, earlier: Tensor, later: Tensor) -> tuple[Tensor, Tensor]:
        """The motion that takes points of the earlier camera to the later camera.

        Args:
            earlier: (B, 3, H, W) RGB in [0, 1].
            later: (B, 3, H, W), the frame after it.

        Returns:
            Axis times angle in radians and translation in the unit of depth, (B, 3) each.
        """
        pair = (torch.cat((earlier, later), dim=1) - 0.45) / 0.225
        features = self.encoder(pair)
        if isinstance(features, list):  # timm's features_only
            features = features[-1]
        motion = self.head(features).float().mean(dim=(2, 3))
        return ROTATION_SCALE * motion[:, :3], self.config.translation_scale * motion[:, 3:]


def predict_motion(pose: PoseNetwork, frames: Tensor) -> tuple[Tensor, Tensor]:
    """What the pose network says of both pairs of neighbours in time.

    Pairs enter in temporal order, so that the network always sees time run forwards.

    Args:
        pose: judges pairs.
        frames: (B, 3, 3, H, W) RGB in [0, 1]: each target, the frame before and the one after it.

    Returns:
        Turns and shifts as of `PoseNetwork`, (2 B, 3) each: to all targets from the frames before
        them, then from all targets to the frames after them.
    """
    if frames.shape[1] != 3:
        raise ValueError(f'a target and two neighbours are wanted, got {frames.shape[1]} frames')
    target, before, after = frames.unbind(dim=1)
    return pose(torch.cat((before, target)), torch.cat((target, after)))  # type: ignore


def source_from_target(
    said: tuple[Tensor, Tensor] | None, driven: Tensor, odometry: bool
) -> Tensor:
    """Motions from each target camera to its two neighbours in time.

    Not to be called where a network computes in half precision: that would round the motions.

    Args:
        said: turns and shifts as of `predict_motion`; None where the vehicle's word is enough.
        driven: (B, 2, 4, 4), the motions by odometry, metres.
        odometry: whether what was said comes on top of `driven`, which else is not read.

    Returns:
        (B, 2, 4, 4), earlier_from_target and later_from_target; the motion to the earlier frame
        is the inverse of the motion from it.
    """
    if said is None:
        return driven
    later_from_earlier = rigid_transform(*said)
    if odometry:
        vehicle = torch.cat((invert_rigid(driven[:, 0]), driven[:, 1]))
        later_from_earlier = _refined(vehicle, later_from_earlier)
    target_from_before, after_from_target = later_from_earlier.chunk(2)
    return torch.stack((invert_rigid(target_from_before), after_from_target), dim=1)


def _refined(driven: Tensor, predicted: Tensor) -> Tensor:
    """The driven motion, turned a little more and led aside as predicted, but not made longer.

    The photometric term knows no lengths: it bends depth as gladly as motion. So how far is the
    vehicle's word alone. Both arguments and the result are (B, 4, 4).
    """
    way = driven[:, :3, 3]
    length = torch.linalg.vector_norm(way, dim=1, keepdim=True)
    ahead = way / length.clamp(min=MOVED_M)
    translation = length * F.normalize(ahead + predicted[:, :3, 3], dim=1)
    rotation = (predicted[:, :3, :3, None] * driven[:, None, :3, :3]).sum(dim=2)
    upper = torch.cat((rotation, translation[:, :, None]), dim=2)
    return torch.cat((upper, driven[:, 3:]), dim=1)


def _encoder(config: PoseConfig) -> tuple[nn.Module, int]:
    """The encoder of six-channel pairs and the number of channels it ends with."""
    if config.encoder == 'small':
        return _small_encoder(), SMALL_WIDTHS[-1]
    try:
        taps: Any = timm.create_model(
            config.encoder,
            pretrained=config.pretrained,
            in_chans=6,
            features_only=True,
            out_indices=(-1,),
        )
    except OSError as problem:  # every way in which a hub can be out of reach
        raise ConfigError(
            f'pose.pretrained asks for public weights of {config.encoder!r}, which this machine '
            'cannot fetch; put them into the hub cache or set pose.pretrained to false '
            f'({problem})'
        ) from problem
    except (RuntimeError, TypeError) as problem:
        raise ConfigError(
            f'pose.encoder {config.encoder!r} cannot be made by timm: {problem}'
        ) from problem
    return taps, taps.feature_info.channels()[-1]


def _small_encoder() -> nn.Module:
    """Strided 3 x 3 convolutions and ReLU; without normalisation, pairs stay independent."""
    layers: list[nn.Module] = []
    for inputs, outputs in zip((6, *SMALL_WIDTHS), SMALL_WIDTHS, strict=False):
        layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.ReLU(inplace=True)]
    encoder = nn.Sequential(*layers)
    _start_with_kept_variance(encoder)
    return encoder


def _start_with_kept_variance(layers: nn.Sequential) -> None:
    """He's initialisation: without normalisation, smaller weights would fade over eight layers."""
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity='relu')
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
