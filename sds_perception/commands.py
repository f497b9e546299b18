"""The commands that need no ROS, as setup.py names them."""

from __future__ import annotations

from sds_perception.command import Command

perceive = Command('sds_perception.offline.cli', 'sds-perceive')
engine = Command('sds_perception.engines.cli', 'sds-engine')
bench = Command('sds_perception.bench.cli', 'sds-bench')
