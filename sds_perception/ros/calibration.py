"""One camera's CameraInfo, understood once and remembered while it stays the same."""

from __future__ import annotations

from sensor_msgs.msg import CameraInfo

from sds_perception.calibration import READINGS, Calibration, numbers_of


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
        key = (numbers_of(info), width, height)
        if self._known is None or self._known[0] != key:
            self._known = key, self._understand(info, width, height)
        return self._known[1]
