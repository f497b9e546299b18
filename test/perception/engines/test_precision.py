"""Which types of number an engine may use on this CPU."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from sds_perception.engines import EngineError, precision
from sds_perception.engines.precision import require_torch_precision


@pytest.mark.parametrize(
    ('native', 'bf16_s', 'pays'), [(True, 0.5, True), (True, 2.0, False), (False, 0.5, False)]
)
def test_bfloat16_pays_where_the_cpu_has_it_and_is_quicker_in_it(
    monkeypatch: pytest.MonkeyPatch, native: bool, bf16_s: float, pays: bool
) -> None:
    taken = {torch.float32: 1.0, torch.bfloat16: bf16_s}
    monkeypatch.setattr(precision, 'cpu_computes_bf16', lambda: native)
    monkeypatch.setattr(precision, 'convolution_seconds', lambda types: taken)
    assert precision.bf16_pays.__wrapped__() is pays


def test_every_type_is_timed() -> None:
    types = (torch.float32, torch.bfloat16)
    seconds = precision.convolution_seconds(types)
    assert tuple(seconds) == types and all(0 < each < 60 for each in seconds.values())


@pytest.mark.parametrize('pays', [True, False])
@pytest.mark.parametrize(
    'require',
    [precision.require_openvino_precision, partial(require_torch_precision, device='cpu')],
)
def test_bfloat16_that_is_asked_for_and_slow_is_taken_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, require, pays: bool
) -> None:
    monkeypatch.setattr(precision, 'cpu_computes_bf16', lambda: True)
    monkeypatch.setattr(precision, 'bf16_pays', lambda: pays)
    assert require('bf16') == 'bf16'
    assert ('slower in bfloat16' in caplog.text) is not pays


@pytest.mark.parametrize(
    ('wanted', 'device', 'sentence'),
    [
        ('int8', 'cpu', "'int8' with torch on cpu: wanted fp32 or bf16"),
        ('int8', 'cuda', "'int8' with torch on cuda: wanted fp32, fp16 or bf16"),
        ('fp64', 'cpu', "'fp64' with torch on cpu: wanted fp32 or bf16"),
        ('fp16', 'cpu', 'only emulates it; use fp32'),
    ],
)
def test_what_torch_does_not_compute_in_is_refused_with_what_it_does(wanted, device, sentence):
    with pytest.raises(EngineError, match=sentence):
        require_torch_precision(wanted, device)
