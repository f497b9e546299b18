"""Which types of number an engine may use on this CPU."""

from __future__ import annotations

import pytest
import torch

from sds_perception.engines import PRECISIONS, EngineError, Precision, precision
from sds_perception.engines.precision import NATIVE, require_precision


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
@pytest.mark.parametrize('place', ['openvino cpu', 'torch cpu'])
def test_bfloat16_that_is_asked_for_and_slow_is_taken_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, place: str, pays: bool
) -> None:
    monkeypatch.setattr(precision, 'cpu_computes_bf16', lambda: True)
    monkeypatch.setattr(precision, 'bf16_pays', lambda: pays)
    assert require_precision('bf16', place) == 'bf16'
    assert ('slower in bfloat16' in caplog.text) is not pays


@pytest.mark.parametrize(('place', 'native'), NATIVE.items())
def test_a_place_computes_in_what_its_row_says_and_in_the_first_where_nobody_asks(
    monkeypatch: pytest.MonkeyPatch, place: str, native: tuple[Precision, ...]
) -> None:
    monkeypatch.setattr(precision, 'require_bf16', lambda place: None)
    assert require_precision(None, place) == native[0]
    assert [each for each in PRECISIONS if each in native] == [
        each for each in PRECISIONS if _is_taken(each, place)
    ]


def _is_taken(wanted: Precision, place: str) -> bool:
    try:
        return require_precision(wanted, place) == wanted
    except EngineError:
        return False


@pytest.mark.parametrize(
    ('wanted', 'place', 'sentence'),
    [
        ('int8', 'torch cpu', "'int8' with torch cpu.*wanted fp32 or bf16"),
        ('int8', 'torch cuda', "'int8' with torch cuda.*wanted fp16 or fp32 or bf16"),
        ('fp64', 'mnn cpu', "'fp64' with mnn cpu.*wanted winograd or fp32"),
    ],
)
def test_what_a_place_does_not_compute_in_is_refused_with_what_it_does(wanted, place, sentence):
    with pytest.raises(EngineError, match=sentence):
        require_precision(wanted, place)


@pytest.mark.parametrize(
    ('place', 'sentence'),
    [('openvino cpu', 'CPU only emulates it; use fp32'), ('torch cuda', 'GPU only .* use fp16')],
)
def test_emulated_bfloat16_is_refused(monkeypatch: pytest.MonkeyPatch, place, sentence) -> None:
    # The other chip computes in it, which does not help; torch takes emulation unless told not to.
    monkeypatch.setattr(precision, 'cpu_computes_bf16', lambda: place == 'torch cuda')
    emulated = lambda including_emulation=True: including_emulation  # noqa: E731
    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', emulated)
    with pytest.raises(EngineError, match=sentence):
        require_precision('bf16', place)
