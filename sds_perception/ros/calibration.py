"""One camera's CameraInfo, understood once and remembered while it stays the same."""

from __future__ import annotations

from sensor_msgs.msg import CameraInfo

from sds_perception.calibration import READINGS, Calibration


class CalibrationReader:
    """Reads the CameraInfo of one camera; keeps the lens maps, which take long to compute."""

    def __init__(self, lens: str) -> None:
        """`lens` is 'raw', 'rectify' or 'rectified', as in NodeConfig."""
        self._understand = READINGS[lens]
        self._known: tuple[tuple[object, ...], Calibration] | None = None

    def read(self, info: CameraInfo, width: int, height: int) -> Calibration:
        """What `info` means for a picture of `width` x `height`.

        Raises:
            CameraError: in one sentence, when `info` is uncalibrated, of another size, or of an
                unknown lens.
        """
        key = _key(info, width, height)
        if self._known is None or self._known[0] != key:
            self._known = key, self._understand(info, width, height)
        return self._known[1]


def _key(info: CameraInfo, width: int, height: int) -> tuple[object, ...]:
    """Equal exactly when the calibration is the same; stamps do not count."""
    roi = info.roi
    numbers = (*info.k, *info.d, *info.r, *info.p)
    sizes = (info.width, info.height, info.binning_x, info.binning_y, width, height)
    region = (roi.x_offset, roi.y_offset, roi.width, roi.height)
    return (info.distortion_model, numbers, sizes, region)
