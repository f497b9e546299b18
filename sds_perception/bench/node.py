"""The node over DDS, measured by `sds_perception.ros.trial.delivery` in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sds_perception.bench.figures import Figure

LATENCY_RATE_HZ = 30
RATES_HZ = (30, 60, 90, 120)  # tried until more than 5 % are dropped
KEPT = 0.95
BEGIN_S = 240  # an engine may have to be built first


def node_figures(folder: Path, seconds: int, device: str) -> list[Figure]:
    """Latency at 30 Hz of 1080p, and the highest rate tried at which 95 % are processed."""
    if find_spec('rclpy') is None:
        return [Figure('node', 'over DDS', float('nan'), note='skipped: rclpy is not installed')]
    reports: dict[int, dict[str, Any]] = {}
    for rate in RATES_HZ:
        try:
            reports[rate] = _delivery(folder, rate, seconds, device)
        except (subprocess.SubprocessError, OSError, ValueError) as problem:
            note = f'failed at {rate} Hz: {problem}'
            return [*figures_of(reports), Figure('node', 'over DDS', float('nan'), note=note)]
        if not _kept(reports[rate]):
            break
    return figures_of(reports)


def figures_of(reports: Mapping[int, dict[str, Any]]) -> list[Figure]:
    """What the reports of `ros.delivery` at each rate in Hz come to."""
    figures = _latency(reports[LATENCY_RATE_HZ]) if LATENCY_RATE_HZ in reports else []
    peak = max((rate for rate, report in reports.items() if _kept(report)), default=0)
    note = f'1080p, of {", ".join(map(str, reports))} Hz; 0 is none of them'
    return [*figures, Figure('node', 'peak rate with under 5 % drops', peak, 'Hz', note=note)]


def _kept(report: dict[str, Any]) -> bool:
    return bool(report['processed'] >= KEPT * report['sent'])


def _latency(report: dict[str, Any]) -> list[Figure]:
    note = f'1080p, {LATENCY_RATE_HZ} Hz'
    return [
        Figure('node', 'received', report['received_percent'], '%', '>= 100', note),
        Figure('node', 'processed', 100 * report['processed'] / report['sent'], '%', note=note),
        Figure('node', 'bare engine', report['bare_engine_ms'], 'ms', note=note),
        Figure('node', 'total in the node, p50', report['total_in_node_ms'], 'ms', note=note),
        Figure('node', 'added in the node', report['added_in_node_ms'], 'ms', '<= 10', note),
        Figure('node', 'at a consumer', report['at_consumer_ms'], 'ms', note=note),
    ]


def _delivery(folder: Path, rate: int, seconds: int, device: str) -> dict[str, Any]:
    out = folder / f'delivery-{rate}.json'
    out.unlink(missing_ok=True)
    command = [sys.executable, '-m', 'sds_perception.ros.trial.delivery', '--device', device]
    command += ['--rate', str(rate), '--seconds', str(seconds), '--json', str(out)]
    said = _ended(command, BEGIN_S + 3 * seconds)
    if not out.is_file():  # 1 means that frames were lost, which is a result
        raise ValueError(said)
    report: dict[str, Any] = json.loads(out.read_text())
    return report


def _ended(command: list[str], timeout_s: float) -> str:
    """Its last words; it and all it started are ended where it takes longer than it may."""
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _, said = process.communicate(timeout=timeout_s)
    except BaseException:  # or a Ctrl-C, which a session of its own does not hear
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    return (said.strip().splitlines() or [f'exit status {process.returncode}'])[-1]
