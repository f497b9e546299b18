"""Laws of a step among others: who is skipped, who is told, and where several seeds begin."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric

from sds_training import learner as module
from sds_training.config import TrainingConfig
from sds_training.data.clips import training_pools
from sds_training.data.loading import StepBatches
from sds_training.data.samples import Batch, concatenated
from sds_training.learner import Learner
from sds_training.objective import Losses
from sds_training.run.journal import Lap
from sds_training.train import train

Make = Callable[..., TrainingConfig]


def learner_of(config: TrainingConfig) -> Learner:
    fabric = Fabric(accelerator='cpu', devices=1)
    fabric.launch()
    return Learner(config, fabric, 50.0)


def first_batch(learner: Learner) -> Batch:
    data = learner.config.data
    return next(StepBatches(data, training_pools(data), 0).between(0, 1))


def no_number(*_: Any) -> tuple[Losses, None]:
    """An objective that ends a step early: its rates are set, and no weight moves."""
    nothing = torch.tensor(math.nan)
    return Losses(nothing, {'total': nothing}), None


@pytest.mark.parametrize('processes', [10, 12, 24])
def test_a_mean_of_ones_that_rounding_makes_no_one_skips_no_step(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    learner = learner_of(tiny_run())

    def as_nccl_does(ours: torch.Tensor, reduce_op: str) -> torch.Tensor:
        share = ours * torch.tensor(1 / processes) if reduce_op == 'mean' else ours
        return torch.stack([share] * processes).cumsum(0)[-1]

    monkeypatch.setattr(learner.fabric, 'all_reduce', as_nccl_does)
    learner.advance([first_batch(learner)])
    assert learner.skipped == 0


def test_only_losses_in_a_row_that_are_no_number_stop_the_run(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, 'NON_FINITE_LIMIT', 2)
    learner = learner_of(tiny_run())
    weight = next(learner.bare.parameters())
    factors = iter((math.nan, 1.0, math.nan, 1.0, math.nan, math.nan))

    def now_and_then(*_: Any) -> tuple[Losses, None]:
        total = weight.sum() * next(factors)
        return Losses(total, {'total': total.detach()}), None

    learner.objective = now_and_then
    for _ in range(5):
        learner.advance([None])
    assert learner.skipped == 3
    with pytest.raises(module.DivergedError):
        learner.advance([None])


def test_a_gradient_that_is_no_number_moves_nothing_and_is_gone_at_the_next_step(
    tiny_run: Make,
) -> None:
    learner = learner_of(tiny_run())
    before = {name: each.clone() for name, each in learner.bare.state_dict().items()}

    def steep(*_: Any) -> tuple[Losses, None]:
        total = (0 * next(learner.bare.parameters())).sqrt().sum()  # zero, of infinite slope
        return Losses(total, {'total': total.detach()}), None

    whole, learner.objective = learner.objective, steep
    learner.advance([None])
    assert learner.skipped == 1 and learner.step == 1
    after = learner.bare.state_dict()
    assert all(torch.equal(each, after[name]) for name, each in before.items())
    learner.objective = whole
    assert learner.advance([first_batch(learner)])['gradient_norm'].isfinite()
    assert all(each.grad is None for each in learner.bare.parameters())


def test_no_step_follows_a_gradient_longer_than_allowed(tiny_run: Make) -> None:
    learner, norms = learner_of(tiny_run('--optimiser.max_gradient_norm=0.01')), []

    def measure(*_: Any) -> None:
        each = [p.grad.norm() for p in learner.bare.parameters() if p.grad is not None]
        norms.append(torch.stack(each).norm().item())

    learner.optimiser.optimizer.register_step_pre_hook(measure)
    told = learner.advance([first_batch(learner)])
    assert told['gradient_norm'] > 0.1 and norms == [pytest.approx(0.01, rel=1e-3)]


def test_every_process_and_every_step_draws_its_own(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = learner_of(tiny_run())
    monkeypatch.setattr(Fabric, 'world_size', 2)
    drawn: list[tuple[float, float]] = []

    def drawing(*given: Any) -> tuple[Losses, None]:
        drawn.append((torch.rand((), generator=given[-1]).item(), torch.rand(()).item()))
        return no_number()

    learner.objective = drawing
    for rank, step in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (1, 2)):
        monkeypatch.setattr(Fabric, 'global_rank', rank)
        learner.step = step
        learner.advance([None])
    *first, again = drawn
    assert again == first[-1]
    assert all(len(set(each)) == len(first) for each in zip(*first, strict=True))


def test_rates_are_those_of_the_schedule_at_every_step(tiny_run: Make) -> None:
    words = ('--optimiser.schedule.kind=poly', '--optimiser.schedule.power=1')
    learner = learner_of(tiny_run(*words))  # four steps
    learner.objective = no_number
    groups = learner.optimiser.param_groups
    first = [group['lr'] for group in groups]
    for step in range(4):
        learner.advance([None])
        wanted = [pytest.approx(rate * (1 - step / 4)) for rate in first]
        assert [group['lr'] for group in groups] == wanted


def test_runs_of_two_seeds_draw_otherwise(tiny_run: Make) -> None:
    drawn = []

    def drawing(*given: Any) -> tuple[Losses, None]:
        drawn.append(torch.rand((), generator=given[-1]).item())
        return no_number()

    for seed in (1, 2, 2**63 - 1):  # the largest that is allowed
        learner = learner_of(tiny_run(f'--seed={seed}'))
        learner.objective = drawing
        learner.advance([None])
    assert len(set(drawn)) == 3


def test_steps_of_sgd_have_the_momentum_of_the_paper(tiny_run: Make) -> None:
    groups = learner_of(tiny_run('--optimiser.kind=sgd')).optimiser.param_groups
    assert {group['momentum'] for group in groups} == {0.9}


@pytest.mark.parametrize('kind', ['sgd', 'adamw'])
def test_weights_decay_as_asked(tiny_run: Make, kind: str) -> None:
    learner = learner_of(tiny_run(f'--optimiser.kind={kind}', '--optimiser.weight_decay=0.3'))
    assert {group['weight_decay'] for group in learner.optimiser.param_groups} == {0.3}


def test_who_starts_from_other_networks_has_a_teacher_that_says_the_same(tiny_run: Make) -> None:
    learner, other = learner_of(tiny_run()), learner_of(tiny_run('--seed=5'))
    learner.start_from(other.bare.state_dict())
    pairs = zip(learner.student.parameters(), learner.teacher.network.parameters(), strict=True)
    assert all(torch.equal(mine, its) for mine, its in pairs)
    assert torch.equal(
        learner.student.semantic_head.score.weight, other.student.semantic_head.score.weight
    )


def test_a_learner_that_is_loaded_knows_what_its_teacher_said(tiny_run: Make) -> None:
    learner, other = learner_of(tiny_run()), learner_of(tiny_run())
    learner.teacher.bias.mean.copy_(torch.linspace(0, 1, 19))
    learner.teacher.bias.taught[:3] = True
    learner.skipped = 4
    other.load(learner.state())
    assert torch.equal(other.teacher.bias.prior, learner.teacher.bias.prior)
    assert other.skipped == 4


def test_a_state_of_before_a_teachers_bias_was_kept_can_be_loaded(tiny_run: Make) -> None:
    learner, other = learner_of(tiny_run()), learner_of(tiny_run('--seed=5'))
    state = learner.state()
    del state['class_bias']
    other.load(state)
    weight = learner.student.semantic_head.score.weight
    assert torch.equal(other.student.semantic_head.score.weight, weight)


def test_a_skipped_step_does_not_hide_the_figures_of_the_others() -> None:
    lap = Lap()
    for value in (1.0, math.nan, 3.0, math.inf):
        lap.add({'total': torch.tensor(value), 'never': torch.tensor(math.nan)})
    told = lap.finish()
    assert told['total'] == 2.0
    assert 'never' not in told  # NaN is no JSON


def fresh(learner: Learner) -> dict[str, Any]:
    return {name: each.clone() for name, each in learner.student.exchanges.state_dict().items()}


def test_what_inherited_networks_lack_is_the_same_for_every_seed(
    tiny_run: Make, tmp_path: Path
) -> None:
    start = train(tiny_run('--steps=1', run_dir=tmp_path / 'start'))
    one, other = (fresh(learner_of(tiny_run(f'--init_from={start}', f'--seed={s}'))) for s in '12')
    assert all(torch.equal(one[name], other[name]) for name in one)
    first, second = (fresh(learner_of(tiny_run(f'--seed={s}'))) for s in '12')
    assert not all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ('rate', 'frozen'),
    [
        ('encoder_rate', ('student.encoder.',)),
        ('rate', ('student.semantic_', 'student.depth_', 'student.exchanges.')),
        ('pose_rate', ('pose.',)),
    ],
)
def test_a_part_without_a_rate_keeps_all_it_has_and_has_no_gradient(
    tiny_run: Make, rate: str, frozen: tuple[str, ...]
) -> None:
    learner = learner_of(tiny_run(f'--optimiser.{rate}=0'))
    before = {name: each.clone() for name, each in learner.bare.state_dict().items()}
    learner.advance([first_batch(learner)])
    after = learner.bare.state_dict()
    kept = {name for name in before if torch.equal(before[name], after[name])}
    assert all(name in kept for name in before if name.startswith(frozen))
    assert len(kept) < len(before)
    grads = [n for n, each in learner.bare.named_parameters() if each.grad is not None]
    assert not any(name.startswith(frozen) for name in grads)


def test_the_teacher_follows_a_student_that_has_moved(tiny_run: Make) -> None:
    learner = learner_of(tiny_run())
    before = [each.detach().clone() for each in learner.student.parameters()]
    learner.advance([first_batch(learner)])
    student, teacher = list(learner.student.parameters()), learner.teacher.network.parameters()
    assert any(not torch.equal(old, new) for old, new in zip(before, student, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(student, teacher, strict=True))  # kept: none yet


def test_two_batches_of_a_step_teach_what_one_of_double_size_does(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = ('--color_aug.probability=0', '--color_aug.global_probability=0')
    people_only = ('--loss.depth=0', '--loss.speed=0', '--loss.consistency=0')
    config = tiny_run(*plain, *people_only, '--optimiser.kind=sgd')
    first, second = StepBatches(config.data, training_pools(config.data), 0).between(0, 2)
    double = Batch(*(concatenated(*halves) for halves in zip(first, second, strict=True)))
    taught = []
    for group in ([first, second], [double]):
        learner = learner_of(config)
        learner.bare.eval()
        monkeypatch.setattr(learner.networks, 'train', lambda: None)  # batches share no statistics
        norm = learner.advance(group)['gradient_norm']
        taught.append([norm, *learner.student.parameters()])
    for of_two, of_one in zip(*taught, strict=True):
        torch.testing.assert_close(of_two, of_one, rtol=1e-4, atol=1e-6)
