"""The ROS 2 shell: the only place that knows rclpy and message types. No arithmetic lives here."""

from __future__ import annotations

import os

# Read once, when torch is imported. OpenMP threads that spin at every barrier take the cores of
# the executor and of other processes, and then wait for each other: 1 s instead of 0.1 s a frame.
os.environ.setdefault('OMP_WAIT_POLICY', 'passive')
