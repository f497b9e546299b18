"""The camera that network depth is meant for: one focal length for all training frames.

A network cannot know the lens in front of it. It learns depth as it would look behind the
canonical focal length; what a frame's own lens makes of it is that times the focal ratio.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from sds_perception.network import depth_from_disparity


@dataclass(frozen=True)
class CanonicalCamera:
    """Focal length and depth range of the network's own camera."""

    focal_px: float  # at training size
    depth_range: tuple[float, float]  # what sigmoid disparity 1 and 0 stand for

    def focal_ratio(self, intrinsics: Tensor) -> Tensor:
        """(B,) focal length of each crop over the canonical one, from (B, 3, 3)."""
        return intrinsics[:, 1, 1] / self.focal_px

    def depth(self, disparity: Tensor, intrinsics: Tensor) -> Tensor:
        """(B, 1, h, w) depth behind each crop's own lens, from sigmoid disparity of that shape."""
        ratio = self.focal_ratio(intrinsics).view(-1, 1, 1, 1)
        return depth_from_disparity(disparity.float(), self.depth_range) * ratio
