from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from pretended_gpu import OnGpu, on_cpu, on_gpu, pretended_gpu

from sds_training import objective as module
from sds_training.config import TrainingConfig
from sds_training.data.clips import training_pools
from sds_training.data.loading import StepBatches
from sds_training.data.samples import Batch
from sds_training.learner import build_student
from sds_training.losses import reprojection
from sds_training.networks.joint import LearnerNetworks
from sds_training.networks.pose import PoseNetwork
from sds_training.objective import JointObjective
from sds_training.teacher import MeanTeacher

Make = Callable[..., TrainingConfig]
MOST_WAITS = 20  # 89 before constants were kept on the device
ALL_TERMS = ('--loss.road=1', '--loss.standing=1', '--loss.jaccard=1', '--mix.givers=labelled')
ALIGNED = ('--pose.odometry=true', '--pose.align=true', '--loss.speed=0')


class OnItsOwn:
    """A network that takes and gives tensors of the GPU, whatever it computes on."""

    def __init__(self, network: Any) -> None:
        self._network = network

    def __call__(self, *parts: Any) -> Any:
        return on_gpu(self._network(*on_cpu(parts)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)


def waits_of(config: TrainingConfig, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often the host waits for a GPU on the way to the second loss of a run."""
    monkeypatch.setattr(reprojection, '_generator_on', lambda device, generator: generator)
    student = build_student(config)
    networks = OnItsOwn(LearnerNetworks(student, PoseNetwork(config.pose)))
    teacher, objective = MeanTeacher(student), JointObjective(config, 90.0)
    for name, buffer in teacher.bias.named_buffers():
        setattr(teacher.bias, name, on_gpu(buffer))
    teacher = OnItsOwn(teacher)
    samples = StepBatches(config.data, training_pools(config.data), config.seed)[0]
    batch = Batch(*(type(half)(*on_gpu(half[:-1]), half.names) for half in samples))
    with pretended_gpu(monkeypatch) as waits:
        for step in (0, 1):
            waits.clear()
            losses, _ = objective(batch, networks, teacher, step, torch.Generator().manual_seed(1))
            assert isinstance(losses.total, OnGpu)
    return {name: times for name, times in waits.items() if times}


@pytest.mark.parametrize('more', [(), ALIGNED, ('--teacher.debias=1',)])
def test_a_step_mixes_no_devices_and_seldom_waits(tiny_run: Make, monkeypatch, more) -> None:
    waits = waits_of(tiny_run(*ALL_TERMS, *more), monkeypatch)
    assert 0 < sum(waits.values()) <= MOST_WAITS, waits


def test_a_constant_made_in_every_step_would_be_counted(tiny_run: Make, monkeypatch) -> None:
    def slow(label: torch.Tensor) -> torch.Tensor:
        return torch.zeros(256, dtype=torch.bool).to(label.device)[label.long()][:, None]

    before = waits_of(tiny_run(*ALL_TERMS), monkeypatch)
    monkeypatch.setattr(module, 'movable_mask', slow)
    after = waits_of(tiny_run(*ALL_TERMS), monkeypatch)
    assert sum(after.values()) > sum(before.values())


def test_tensors_of_two_devices_do_not_meet(monkeypatch) -> None:
    here, there = torch.ones(2), on_gpu(torch.ones(2))
    with (
        pretended_gpu(monkeypatch),
        pytest.raises(RuntimeError, match='of the CPU and of the GPU'),
    ):
        here + there
