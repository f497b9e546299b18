"""Pictures of real lenses to pictures of a pinhole, from the fields of sensor_msgs/CameraInfo.

The formulas are OpenCV's, which ROS adopted; the maps are computed once per camera, in fixed
point, and a frame costs one `cv2.remap`.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from sds_perception.camera import Camera, CameraError
from sds_perception.pixel_mask import PixelMask

# How many numbers D may hold, by distortion_model. The short plumb_bob leaves k3 out; the long
# rational ones add thin prism and tilt.
_COEFFICIENTS: dict[str, tuple[int, ...]] = {
    'plumb_bob': (4, 5),
    'rational_polynomial': (8, 12, 14),
    'equidistant': (4,),
    'fisheye': (4,),
}
FISHEYE = ('equidistant', 'fisheye')  # straight through them even zeros bend the rays
_UNDISTORTED_NAMES = ('', 'none')


class Rectifier:
    """Takes the lens out of a camera's pictures; `camera` is the pinhole of what comes out."""

    def __init__(
        self,
        K: ArrayLike,
        D: ArrayLike,
        R: ArrayLike,
        P: ArrayLike,
        distortion_model: str,
        size: tuple[int, int],
    ) -> None:
        """Compute the maps; `size` is (width, height), K and R are 3x3, P 3x4, in row order.

        R or P all zero count as not given: no rotation, and K for P.

        Raises:
            CameraError: an unknown model, a D of the wrong length, an uncalibrated K.
        """
        width, height = size
        source = Camera.from_matrix(K, width, height)
        d = _coefficients(D, distortion_model)
        r, p = np.asarray(R, np.float64).reshape(3, 3), np.asarray(P, np.float64).reshape(3, 4)
        r = r if r.any() else np.eye(3)
        self.camera = Camera.from_matrix(p[:, :3], width, height) if p.any() else source
        self.is_identity = (
            distortion_model not in FISHEYE
            and not d.any()
            and np.allclose(r, np.eye(3))
            and np.allclose(self.camera.matrix, source.matrix)
        )
        self.outside: NDArray[np.bool_] | None = None  # (H, W), where there is no picture
        if not self.is_identity:
            make = (
                cv2.fisheye.initUndistortRectifyMap
                if distortion_model in FISHEYE
                else cv2.initUndistortRectifyMap
            )
            self._maps = make(source.matrix, d, r, self.camera.matrix, size, cv2.CV_16SC2)
            outside = self(np.full((height, width), 255, np.uint8)) < 255
            self.outside = outside if outside.any() else None
            self._outside = PixelMask(outside)

    def outside_at(self, size: tuple[int, int]) -> NDArray[np.bool_] | None:
        """`outside` for scenes of `size` (H, W)."""
        return None if self.outside is None else self._outside.at(size)

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W[, 3]) rectified; the input itself where there is nothing to do; black outside."""
        wanted = (self.camera.height, self.camera.width)
        if image.shape[:2] != wanted:
            raise CameraError(
                f'the calibration is for (H, W) = {wanted}, the picture is {image.shape[:2]}'
            )
        return image if self.is_identity else cv2.remap(image, *self._maps, cv2.INTER_LINEAR)


def _coefficients(D: ArrayLike, model: str) -> NDArray[np.float64]:
    """(N,) checked against the model; a lens without a model must have no distortion."""
    d = np.asarray(D, np.float64).reshape(-1)
    if not np.isfinite(d).all():
        raise CameraError(f'distortion coefficients must be finite, got {d.tolist()}')
    if model in _UNDISTORTED_NAMES and not d.any():
        return d
    if model not in _COEFFICIENTS:
        raise CameraError(
            f"distortion model '{model}' is not supported; wanted {', '.join(_COEFFICIENTS)}"
        )
    if len(d) == 0 and model not in FISHEYE:
        return d
    if len(d) not in _COEFFICIENTS[model]:
        lengths = ' or '.join(map(str, _COEFFICIENTS[model]))
        raise CameraError(f"'{model}' wants {lengths} distortion coefficients, got {len(d)}")
    return d
