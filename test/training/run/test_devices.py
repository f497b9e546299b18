from __future__ import annotations

from collections.abc import Callable

import pytest

from sds_training.config import TrainingConfig
from sds_training.config_error import ConfigError
from sds_training.run.devices import launched

Make = Callable[..., TrainingConfig]


@pytest.mark.parametrize(
    ('precision', 'native', 'refused'),
    [('bf16-mixed', True, False), ('bf16-mixed', False, True), ('16-mixed', True, True)],
)
def test_numbers_that_the_cpu_only_emulates_are_refused(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch, precision: str, native: bool, refused: bool
) -> None:
    monkeypatch.setattr('sds_training.run.devices.cpu_computes_bf16', lambda: native)
    config = tiny_run(f'--fabric.precision={precision}')
    if not refused:
        assert launched(config).device.type == 'cpu'
        return
    with pytest.raises(ConfigError, match=f"fabric.precision is '{precision}'.*32-true"):
        launched(config)


@pytest.mark.parametrize(('accelerator', 'found', 'devices'), [('cuda', 0, 1), ('auto', 1, 2)])
def test_cuda_that_is_not_there_is_refused_with_what_to_add(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch, accelerator: str, found: int, devices: int
) -> None:
    monkeypatch.setattr('torch.cuda.device_count', lambda: found)
    told = f"is '{accelerator}' .* torch sees {found} CUDA devices; add --fabric.accelerator"
    with pytest.raises(ConfigError, match=told):
        launched(tiny_run(f'--fabric.accelerator={accelerator}', f'--fabric.devices={devices}'))


def test_a_device_that_no_release_runs_on_is_not_chosen(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('torch.cuda.device_count', lambda: 0)
    monkeypatch.setattr('torch.backends.mps.is_available', lambda: True)  # an Apple machine
    assert launched(tiny_run('--fabric.accelerator=auto')).device.type == 'cpu'


def test_a_cluster_of_other_numbers_is_refused_in_a_sentence(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = {'JOB_NAME': 'street', 'NTASKS': '4', 'NTASKS_PER_NODE': '4'}
    for name, value in {**job, 'NODEID': '0', 'PROCID': '0', 'LOCALID': '0'}.items():
        monkeypatch.setenv(f'SLURM_{name}', value)
    with pytest.raises(ConfigError, match=r'^fabric.devices 2 and .*cannot be launched: .*=4'):
        launched(tiny_run('--fabric.devices=2'))


def test_processes_that_would_each_be_the_only_one_are_refused(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('WORLD_SIZE', '2')
    with pytest.raises(ConfigError, match='torchrun started 2 processes .* is 1 times 1'):
        launched(tiny_run())
