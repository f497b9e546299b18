"""Pinhole intrinsics that follow the picture through every resize, crop and flip.

Pixel centres lie at integer coordinates, as in ROS CameraInfo and OpenCV: the left edge of the
picture is at u = -0.5. A resize by s therefore moves u to (u + 0.5) s - 0.5, which is also what
`cv2.resize` and `align_corners=False` do with the pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray


class CameraError(ValueError):
    """Intrinsics that cannot belong to a picture; the message says which and why."""


@dataclass(frozen=True)
class Camera:
    """Pinhole intrinsics together with the size in pixels of the picture they belong to."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    def __post_init__(self) -> None:
        if not (self.fx > 0 and self.fy > 0 and np.isfinite([self.fx, self.fy]).all()):
            raise CameraError(
                f'focal lengths must be positive and finite, got fx={self.fx}, fy={self.fy} '
                '(K[0] = 0 means an uncalibrated camera)'
            )
        if self.width < 1 or self.height < 1:
            raise CameraError(f'camera size must be positive, got {self.width}x{self.height}')
        if not np.isfinite([self.cx, self.cy]).all():
            raise CameraError(f'principal point must be finite, got ({self.cx}, {self.cy})')

    @classmethod
    def from_matrix(cls, matrix: ArrayLike, width: int, height: int) -> Camera:
        """Read a 3x3 matrix (or its nine numbers in row order); skew must be zero."""
        k = np.asarray(matrix, np.float64).reshape(3, 3)
        if abs(k[0, 1]) > 1e-6 * max(abs(k[0, 0]), 1.0):
            raise CameraError(f'skewed intrinsics are not supported, got K[1] = {k[0, 1]}')
        fx, fy, cx, cy = (float(v) for v in (k[0, 0], k[1, 1], k[0, 2], k[1, 2]))
        return cls(fx, fy, cx, cy, width, height)

    @classmethod
    def guess(cls, width: int, height: int, horizontal_fov_deg: float = 60.0) -> Camera:
        """A centred pinhole for pictures that come without calibration; say so when using it."""
        focal = width / 2 / np.tan(np.radians(horizontal_fov_deg) / 2)
        return cls(float(focal), float(focal), (width - 1) / 2, (height - 1) / 2, width, height)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """(3, 3) intrinsic matrix, pixels."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], np.float64)

    def resized(self, width: int, height: int) -> Camera:
        """The camera of the same picture resized to `width` x `height` pixels."""
        move = resizing((self.width, self.height), (width, height))
        return Camera.from_matrix(move @ self.matrix, width, height)

    def cropped(self, left: int, top: int, width: int, height: int) -> Camera:
        """The camera of the rectangle whose first pixel is (left, top)."""
        return replace(self, cx=self.cx - left, cy=self.cy - top, width=width, height=height)

    def flipped(self) -> Camera:
        """The camera of the picture mirrored left to right; only u0 moves."""
        return replace(self, cx=self.width - 1 - self.cx)

    def rays(self) -> NDArray[np.float32]:
        """(H, W, 3) float32 directions with z = 1: multiplied by depth they are points."""
        u = (np.arange(self.width, dtype=np.float32) - self.cx) / self.fx
        v = (np.arange(self.height, dtype=np.float32) - self.cy) / self.fy
        rays = np.ones((self.height, self.width, 3), np.float32)
        rays[..., 0], rays[..., 1] = u[None, :], v[:, None]
        return rays

    def project(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """(..., 3) points in the camera frame to (..., 2) pixel coordinates (u, v)."""
        points = np.asarray(points, np.float64)
        z = points[..., 2]
        return np.stack(
            (
                self.fx * points[..., 0] / z + self.cx,
                self.fy * points[..., 1] / z + self.cy,
            ),
            axis=-1,
        )


def resizing(source: tuple[int, int], target: tuple[int, int]) -> NDArray[np.float64]:
    """(3, 3) that takes intrinsics or a projection along from size (W, H) to another."""
    sx, sy = target[0] / source[0], target[1] / source[1]
    return np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2], [0, 0, 1]])
