"""The mean teacher follows, and nothing else changes it."""

from __future__ import annotations

import copy

import pytest
import torch
from lightning_fabric import Fabric

from sds_perception.network import NETWORKS, SdsNetwork, build_network
from sds_training.teacher import MeanTeacher, trust_in


@pytest.fixture
def student() -> SdsNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_network(NETWORKS['tiny']).train()


def image(seed: int = 0) -> torch.Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(seed))


def shift_parameters(student: SdsNetwork, by: float) -> None:
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(by)


def test_no_gradient_reaches_the_teacher(student: SdsNetwork) -> None:
    teacher = MeanTeacher(student)
    belief = teacher(image())
    assert not belief.logits.requires_grad
    loss = (student(image()).logits - belief.logits).square().mean()
    loss.backward()
    assert all(parameter.grad is None for parameter in teacher.network.parameters())


def test_the_teacher_computes_in_the_precision_of_the_run(student: SdsNetwork) -> None:
    fabric = Fabric(accelerator='cpu', devices=1, precision='bf16-mixed')
    assert MeanTeacher(student, fabric.autocast)(image()).logits.dtype == torch.bfloat16
    assert MeanTeacher(student)(image()).logits.dtype == torch.float32


def test_following_moves_parameters_by_one_minus_decay(student: SdsNetwork) -> None:
    teacher = MeanTeacher(student)
    before = [parameter.clone() for parameter in teacher.network.parameters()]
    shift_parameters(student, 1.0)
    teacher.follow(student, decay=0.75)
    for own, old in zip(teacher.network.parameters(), before, strict=True):
        torch.testing.assert_close(own, old + 0.25)


def test_following_without_decay_makes_a_copy(student: SdsNetwork) -> None:
    teacher = MeanTeacher(student)
    shift_parameters(student, 0.1)
    student(image())
    teacher.follow(student, decay=0.0)
    for name, value in student.state_dict().items():
        assert torch.equal(teacher.network.state_dict()[name], value), name


def test_buffers_are_copied_and_not_averaged(student: SdsNetwork) -> None:
    teacher = MeanTeacher(student)
    student(image())  # moves the running statistics
    name, statistics = next(
        (name, value) for name, value in student.named_buffers() if 'running_mean' in name
    )
    assert not torch.equal(dict(teacher.network.named_buffers())[name], statistics)
    teacher.follow(student, decay=0.99)
    for name, value in student.named_buffers():
        assert torch.equal(dict(teacher.network.named_buffers())[name], value), name


def test_the_teacher_stays_in_eval_mode_and_keeps_its_own_statistics(student: SdsNetwork) -> None:
    teacher = MeanTeacher(student)
    before = copy.deepcopy(teacher.network.state_dict())
    student.train()
    teacher(image())
    assert not any(module.training for module in teacher.network.modules())
    assert all(torch.equal(before[k], v) for k, v in teacher.network.state_dict().items())


def test_training_the_student_does_not_move_the_teacher(student: SdsNetwork) -> None:
    teacher = MeanTeacher(student)
    before = teacher(image()).logits
    shift_parameters(student, 1.0)
    assert torch.equal(teacher(image()).logits, before)


def test_trust_is_a_share_of_the_batch_or_a_mark_on_each_pixel() -> None:
    confidence = torch.tensor((0.99, 0.6))[:, None, None].expand(2, 2, 2)
    assert torch.equal(trust_in(confidence, 0.9, per_pixel=False), torch.full((2, 2, 2), 0.5))
    pixels = trust_in(confidence, 0.9, per_pixel=True)
    assert pixels[0].eq(1).all() and pixels[1].eq(0).all()


def test_a_belief_as_sure_as_asked_is_trusted() -> None:
    assert trust_in(torch.ones(1, 2, 2), 1.0, per_pixel=True).all()
