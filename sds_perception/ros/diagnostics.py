"""Health on topics: diagnostic_msgs for machines, a line of JSON for people with `topic echo`.

What changes is also logged, for people at a terminal.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import String

from sds_perception.ros.diagnosis import diagnose
from sds_perception.ros.health import CameraHealth, Level
from sds_perception.ros.qos import LATCHED


class Diagnostics:
    """Publishes /diagnostics and ~/status, in every lifecycle state; from any thread."""

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._array = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._status = node.create_publisher(String, '~/status', LATCHED)
        self._name = node.get_fully_qualified_name().lstrip('/')
        self.about: dict[str, str] = {}  # release, engine, device: what is running
        self.caution = ''  # what an operator has to know of it while it runs, as a sentence
        self._told: dict[str, Level] = {}  # camera -> the level that was logged last
        self._one_at_a_time = threading.Lock()

    def publish(
        self, state: str, cameras: Sequence[CameraHealth], trouble: tuple[Level, str] | None
    ) -> None:
        """Say how the node is; `trouble` is what keeps it from looking at its cameras at all."""
        with self._one_at_a_time:
            self._publish(state, cameras, trouble)

    def _publish(
        self, state: str, cameras: Sequence[CameraHealth], trouble: tuple[Level, str] | None
    ) -> None:
        fine = (Level.WARN, self.caution) if self.caution else (Level.OK, state)
        level, sentence = trouble or fine
        verdicts = [] if trouble else [(each, *diagnose(each)) for each in cameras]
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.status = [self._one(self._name, level, sentence, {'state': state, **self.about})]
        for health, camera_level, camera_sentence in verdicts:
            facts = _flat(health.summary())
            name = f'{self._name}: {health.name}'
            message.status.append(self._one(name, camera_level, camera_sentence, facts))
        self._array.publish(message)
        worst = max((level, *(each[1] for each in verdicts)))
        self._status.publish(String(data=_line(state, worst, sentence, verdicts)))
        self._log({health.name: (level, text) for health, level, text in verdicts})

    def _log(self, verdicts: dict[str, tuple[Level, str]]) -> None:
        """Log the sentence of each camera whose level is another than it was; well at first."""
        before, self._told = self._told, {name: level for name, (level, _) in verdicts.items()}
        logger = self._node.get_logger()
        for name, (level, sentence) in verdicts.items():
            if level == before.get(name, Level.OK):
                continue
            if level == Level.ERROR:  # rclpy wants one place in the code per level
                logger.error(f'{name}: {sentence}')
            elif level == Level.WARN:
                logger.warning(f'{name}: {sentence}')
            else:
                logger.info(f'{name}: {sentence}')

    def _one(
        self, name: str, level: Level, sentence: str, facts: dict[str, str]
    ) -> DiagnosticStatus:
        status = DiagnosticStatus(name=name, message=sentence, level=bytes([level]))
        status.hardware_id = self.about.get('device', '')
        status.values = [KeyValue(key=key, value=value) for key, value in facts.items()]
        return status


def _line(
    state: str,
    worst: Level,
    sentence: str,
    verdicts: Sequence[tuple[CameraHealth, Level, str]],
) -> str:
    cameras = {
        health.name: {'level': level.name, 'message': text, **health.summary()}
        for health, level, text in verdicts
    }
    summary = {'level': worst.name, 'state': state, 'message': sentence, 'cameras': cameras}
    return json.dumps(summary)


def _flat(summary: dict[str, object], prefix: str = '') -> dict[str, str]:
    """Nested figures as the key-value pairs diagnostic messages have."""
    flat: dict[str, str] = {}
    for key, value in summary.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f'{prefix}{key}.'))
        else:
            flat[f'{prefix}{key}'] = str(value)
    return flat


def write_report(path: str, cameras: Sequence[CameraHealth], about: dict[str, str]) -> None:
    """Write what was counted and timed since configure as JSON."""
    report = {'node': about, 'cameras': {each.name: each.summary() for each in cameras}}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(report, indent=2) + '\n')
