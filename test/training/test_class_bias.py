"""What the teacher says too often is taken back from its scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sds_perception.release import read_release
from sds_training.canonical_camera import CanonicalCamera
from sds_training.class_bias import HEAD_BIAS, ClassBias, debiased_head
from sds_training.config import TrainingConfig
from sds_training.config_error import ConfigError
from sds_training.data.clips import training_pools
from sds_training.data.loading import StepBatches
from sds_training.export import export
from sds_training.learner import build_student
from sds_training.pseudo_labels import PseudoLabels
from sds_training.run.run_state import read_state, saved_states
from sds_training.teacher import MeanTeacher, TeacherConfig
from sds_training.train import train

EVERY = torch.tensor([True, True])


def scores(*of_classes: float) -> Tensor:
    """(2, K, 4, 4), the same everywhere."""
    return torch.tensor(of_classes).view(1, -1, 1, 1).expand(2, -1, 4, 4).contiguous()


def told(bias: ClassBias, logits: Tensor, times: int = 400) -> ClassBias:
    bias.learn_of(torch.arange(len(bias.mean), dtype=torch.uint8).view(1, 1, -1))
    for _ in range(times):
        bias.follow(logits, EVERY)
    return bias


def test_nothing_is_taken_back_before_anything_was_said() -> None:
    before = scores(2.0, 1.0, 0.0)
    after = ClassBias(3).taken_from(before, 1.0)
    torch.testing.assert_close(after.softmax(dim=1), before.softmax(dim=1))


def test_the_mean_becomes_the_probabilities_that_are_said() -> None:
    bias = told(ClassBias(3), scores(2.0, 1.0, 0.0))
    torch.testing.assert_close(
        bias.mean, torch.tensor([2.0, 1.0, 0.0]).softmax(dim=0), atol=1e-3, rtol=0
    )
    assert float(bias.mean.sum()) == pytest.approx(1.0)


def test_a_step_moves_the_mean_by_a_fiftieth() -> None:
    bias = ClassBias(2)
    bias.follow(scores(50.0, 0.0), EVERY)
    assert bias.mean[0].item() == pytest.approx(0.98 * 0.5 + 0.02, abs=1e-6)


def test_a_class_that_no_label_shows_is_not_raised_above_one_that_labels_show() -> None:
    bias = ClassBias(3)
    bias.learn_of(torch.tensor([[[0, 1, 255]]], dtype=torch.uint8))
    for _ in range(400):
        bias.follow(scores(4.0, 0.0, -3.0), EVERY)
    after = bias.taken_from(scores(2.0, 0.0, 1.0), 1.0)[0, :, 0, 0]
    assert after.argmax() == 1  # the rare one that was taught, and not the third
    assert after[2] < after[0]
    again = ClassBias.restored(bias.state_dict())
    assert torch.equal(again.prior, bias.prior)


def test_a_rare_class_wins_where_it_is_said_more_than_usually() -> None:
    bias = told(ClassBias(2), scores(4.0, 0.0))  # the second is said with 0.018
    here = scores(1.0, 0.0)  # here with 0.27
    assert int(here.argmax(dim=1)[0, 0, 0]) == 0
    assert int(bias.taken_from(here, 0.5).argmax(dim=1)[0, 0, 0]) == 1
    usual = bias.taken_from(scores(4.0, 0.0), 0.5)
    assert int(usual.argmax(dim=1)[0, 0, 0]) == 0


def test_scores_that_are_no_numbers_leave_the_mean_as_it_was() -> None:
    bias = told(ClassBias(2), scores(4.0, 0.0))
    before = bias.mean.clone()
    bias.follow(scores(torch.inf, 0.0), EVERY)
    assert torch.equal(bias.mean, before)


def test_pictures_that_people_labelled_do_not_count() -> None:
    bias = ClassBias(2)
    bias.follow(scores(4.0, 0.0), ~EVERY)
    torch.testing.assert_close(bias.mean, torch.tensor([0.5, 0.5]))


def test_of_several_pictures_only_those_that_count_move_the_mean() -> None:
    one, other = scores(4.0, 0.0)[:1], scores(0.0, 4.0)[:1]
    bias, alone = ClassBias(2), ClassBias(2)
    bias.follow(torch.cat((one, other)), torch.tensor([True, False]))
    alone.follow(one, EVERY[:1])
    assert torch.equal(bias.mean, alone.mean) and bias.mean[0] > 0.5


def test_one_picture_moves_the_mean_as_far_however_many_processes_saw_none() -> None:
    alone, shared = ClassBias(2), ClassBias(2, lambda ours: ours / 8)
    for bias in (alone, shared):
        bias.follow(scores(4.0, 0.0)[:1], EVERY[:1])
    torch.testing.assert_close(shared.mean, alone.mean)


def test_scores_in_half_precision_are_averaged_in_whole() -> None:
    bias, whole = ClassBias(2), ClassBias(2)
    said = scores(1.3, 0.4).bfloat16()
    bias.follow(said, EVERY)
    whole.follow(said.float(), EVERY)
    assert torch.equal(bias.mean, whole.mean)


def test_the_mean_is_that_of_all_processes() -> None:
    """Two processes see different pictures; both keep the mean over all of them."""
    seen: list[Tensor] = []
    other = ClassBias(2, lambda ours: seen.append(ours) or ours)  # type: ignore[func-returns-value]
    other.follow(scores(0.0, 4.0), EVERY)
    mine = ClassBias(2, lambda ours: (ours + seen[0]) / 2)
    mine.follow(scores(4.0, 0.0), EVERY)
    torch.testing.assert_close(mine.mean, torch.tensor([0.5, 0.5]))


def test_what_labels_have_shown_once_any_process_remembers() -> None:
    bias = ClassBias(4)
    for number in (0, 2):
        bias.learn_of(torch.full((1, 2, 2), number, dtype=torch.uint8))
    assert bias.taught.tolist() == [True, False, True, False]
    of_other = torch.eye(256)[3]
    mine = ClassBias(4, lambda ours: (ours + of_other[: len(ours)]) / 2)
    mine.learn_of(torch.zeros(1, 2, 2, dtype=torch.uint8))
    assert mine.taught.tolist() == [True, False, False, True]


def test_a_state_that_says_nothing_of_labels_takes_every_class_as_taught() -> None:
    mean = torch.tensor([0.7, 0.2, 0.1])
    assert torch.equal(ClassBias.restored({'mean': mean}).prior, mean)


def test_the_teacher_is_believed_without_it_only_where_asked(
    tiny_run: Callable[..., TrainingConfig],
) -> None:
    config = tiny_run()
    batch = StepBatches(config.data, training_pools(config.data), 0)[0]
    pool = batch.unlabelled._replace(labelled=torch.zeros_like(batch.unlabelled.labelled))
    torch.manual_seed(0)
    teacher = MeanTeacher(build_student(config))
    teacher.bias.taught.fill_(True)
    teacher.bias.mean.copy_(torch.full((19,), 1e-3)).select(0, 3).fill_(0.0)
    camera = CanonicalCamera(90.0, config.network.config().depth_range)
    beliefs = []
    for debias in (0.0, 1.0):
        of_teacher = replace(config.teacher, debias=debias)
        labels = PseudoLabels(replace(config, teacher=of_teacher), camera)
        beliefs.append((labels.belief(teacher, pool).label == 3).float().mean())
    assert beliefs[1] > beliefs[0]


def test_a_release_can_be_debiased_as_pseudo_labels_are(
    tiny_run: Callable[..., TrainingConfig],
) -> None:
    network = build_student(tiny_run()).eval()
    bias = ClassBias(19)
    bias.mean.copy_(torch.rand(19, generator=torch.Generator().manual_seed(0)))
    bias.taught[:10] = True
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        before = network(image)
        network.load_state_dict(debiased_head(network.state_dict(), bias.prior, 0.4))
        after = network(image)
    torch.testing.assert_close(after.logits, bias.taken_from(before.logits, 0.4))
    assert torch.equal(after.disparity[0], before.disparity[0])


def test_weights_that_are_debiased_keep_their_precision() -> None:
    weights = {HEAD_BIAS: torch.zeros(2, dtype=torch.float16)}
    debiased = debiased_head(weights, torch.tensor([0.75, 0.25]), 1.0)[HEAD_BIAS]
    assert debiased.dtype == torch.float16


def test_a_run_releases_what_it_was_told_to_take_back(
    tiny_run: Callable[..., TrainingConfig], tmp_path: Path
) -> None:
    config = tiny_run('--steps=2', '--release_debias=0.5', f'--run_dir={tmp_path / "run"}')
    path = train(config)
    (state,) = map(read_state, saved_states(config.run_dir)[-1:])
    learnt, bias = state['teacher'][HEAD_BIAS], ClassBias.restored(state['class_bias'])
    assert not torch.equal(bias.mean, ClassBias(19).mean)  # it was told of the pool
    assert bias.taught.any()
    wanted = learnt - 0.5 * (bias.prior + 1e-4).log()
    torch.testing.assert_close(read_release(path).weights[HEAD_BIAS].float(), wanted)
    export(Path(config.run_dir), tmp_path / 'again.safetensors', 'teacher')
    again = read_release(tmp_path / 'again.safetensors').weights[HEAD_BIAS]
    torch.testing.assert_close(again.float(), wanted)


def test_a_release_is_not_debiased_by_what_nobody_measured(
    tiny_run: Callable[..., TrainingConfig],
) -> None:
    config = tiny_run()
    with pytest.raises(ConfigError, match='release_debias is 2'):
        replace(config, release_debias=2.0)
    unasked = replace(config.loss, consistency=0.0)
    with pytest.raises(ConfigError, match='wanted 0 where no teacher'):
        replace(config, release_debias=0.5, loss=unasked)


def test_a_strength_outside_its_range_is_refused() -> None:
    with pytest.raises(ConfigError, match='teacher.debias is 1.5'):
        TeacherConfig(debias=1.5)
