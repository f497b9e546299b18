"""The executables of `ros2 run sds_perception`, as setup.py names them."""

from __future__ import annotations

from sds_perception.commands import Command

perception_node = Command('sds_perception.ros.node', 'perception_node')
doctor = Command('sds_perception.ros.doctor.doctor', 'doctor')
replay = Command('sds_perception.ros.bags.replay', 'replay')
record = Command('sds_perception.ros.bags.record', 'record')
