"""The engines a CPU can be given, besides torch: what is compared, and what has to be there."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from sds_perception.engines import Engine
from sds_perception.engines.export import GraphShape
from sds_perception.engines.onnx_engine import OnnxEngine
from sds_perception.engines.precision import cpu_computes_bf16
from sds_perception.engines.quantise import calibrate, calibrated_path
from sds_perception.engines.reference_frames import synthetic_frames
from sds_perception.release import Release

BASE = 'onnxruntime fp32'  # what the others are compared with
WINOGRAD = 'mnn winograd'


def cpu_engines(release: Release, cache: Path) -> dict[str, Engine]:
    """ONNX Runtime in float32 and int8; OpenVINO and MNN where installed."""
    size = release.input_size
    if not calibrated_path(release, GraphShape(size), cache).is_file():
        calibrate(release, GraphShape(size), synthetic_frames(size, 8), cache)
    engines: dict[str, Engine] = {
        BASE: OnnxEngine(release, cache=cache),
        'onnxruntime int8': OnnxEngine(release, cache=cache, precision='int8'),
    }
    if find_spec('openvino'):
        from sds_perception.engines.openvino_engine import OpenVinoEngine

        engines['openvino fp32'] = OpenVinoEngine(release, cache=cache)
        engines['openvino int8'] = OpenVinoEngine(release, cache=cache, precision='int8')
        if cpu_computes_bf16():
            engines['openvino bf16'] = OpenVinoEngine(release, cache=cache, precision='bf16')
    if find_spec('MNN'):
        from sds_perception.engines.mnn_engine import MnnEngine

        engines[WINOGRAD] = MnnEngine(release, cache=cache)
    return engines
