"""What the neighbouring frames teach: depth and motion are right if they explain how those look.

Both stages learn by it, the joint one and depth pre-training (method.md 1.4 and 1.5).
"""

from __future__ import annotations

from torch import Generator, Tensor

from sds_training.canonical_camera import CanonicalCamera
from sds_training.config import TrainingConfig
from sds_training.geometry import PITCH, ROLL, YAW, turned_to_fit
from sds_training.losses.depth import self_supervised_depth_loss
from sds_training.losses.scale import velocity_loss
from sds_training.networks.pose import source_from_target

Terms = dict[str, tuple[float, Tensor]]  # by name: weight, and scalar with its graph


class NeighbourTerms:
    """Photometric error, smoothness and distance from the driven motion, as the config says."""

    def __init__(self, config: TrainingConfig, camera: CanonicalCamera) -> None:
        self.config, self.camera = config, camera

    def __call__(
        self,
        disparities: tuple[Tensor, ...],
        image: Tensor,
        neighbours: Tensor,
        moved: tuple[Tensor, Tensor] | None,
        driven: Tensor,
        intrinsics: Tensor,
        generator: Generator,
    ) -> Terms:
        """The terms of frames that have neighbours, in their own colours.

        Args:
            disparities: (B, 1, h_s, w_s) each, sigmoid disparity of the frames, finest first.
            image: (B, 3, H, W) RGB in [0, 1].
            neighbours: (B, S, 3, H, W), the frames before and after.
            moved: what the pose network says of them; None if it was not asked.
            driven: (B, S, 4, 4), source_from_target by the vehicle, metres; NaN unknown.
            intrinsics: (B, 3, 3), pixels.
            generator: draws the automask's tie-breaking noise.
        """
        weights, pose = self.config.loss, self.config.pose
        motion = source_from_target(moved, driven, pose.odometry)
        fitting = motion
        if pose.align:
            depth = self.camera.depth(disparities[0].detach(), intrinsics)
            axes = (PITCH, ROLL) if pose.odometry else (PITCH, YAW, ROLL)
            fitting = turned_to_fit(image, neighbours, depth, motion, intrinsics, axes)
        found = self_supervised_depth_loss(
            disparities,
            image,
            neighbours,
            self._by_the_canonical_camera(fitting, intrinsics),
            intrinsics,
            self.camera.depth_range,
            generator,
            weights.compare,
        )
        terms: Terms = {
            'photometric': (weights.depth, found.photometric),
            'smoothness': (weights.depth * weights.smoothness, found.smoothness),
        }
        if weights.speed:
            terms['speed'] = (weights.speed, velocity_loss(motion, driven))
        return terms

    def _by_the_canonical_camera(self, motion: Tensor, intrinsics: Tensor) -> Tensor:
        """(B, S, 4, 4) motions to warp with depth as the network means it.

        It means depth behind the canonical focal length; the true one is that times the focal
        ratio. Dividing translations by the ratio warps identically.
        """
        scaled = motion.clone()
        scaled[..., :3, 3] /= self.camera.focal_ratio(intrinsics).view(-1, 1, 1)
        return scaled
