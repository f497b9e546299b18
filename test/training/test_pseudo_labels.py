from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import torch

from sds_perception.labels import SKY, UNLABELLED
from sds_training.canonical_camera import CanonicalCamera
from sds_training.config import TrainingConfig
from sds_training.data.clips import training_pools
from sds_training.data.loading import StepBatches
from sds_training.data.samples import Batch
from sds_training.learner import build_student
from sds_training.pseudo_labels import PseudoLabels
from sds_training.teacher import MeanTeacher

Make = Callable[..., TrainingConfig]
MeanOfAll = Callable[[torch.Tensor], torch.Tensor]


def parts_of(
    config: TrainingConfig, *mean_of_all: MeanOfAll
) -> tuple[Batch, MeanTeacher, PseudoLabels]:
    torch.manual_seed(0)
    batch = StepBatches(config.data, training_pools(config.data), 0)[0]
    camera = CanonicalCamera(90.0, config.network.config().depth_range)
    teacher = MeanTeacher(build_student(config), nullcontext, *mean_of_all)
    return batch, teacher, PseudoLabels(config, camera)


def mixed_by(config: TrainingConfig, givers: str) -> tuple[Batch, torch.Tensor, torch.Tensor]:
    """A batch, the labels of its mixed pictures, and what was believed of its pool."""
    mix = replace(config.mix, givers=givers, class_mix=1.0, depth_mix=0.0, affine_mix=0.0)
    batch, teacher, labels = parts_of(replace(config, mix=mix))
    unknown = torch.zeros_like(batch.unlabelled.labelled)
    batch = batch._replace(unlabelled=batch.unlabelled._replace(labelled=unknown))
    belief = labels.belief(teacher, labels.teacher_input(batch))
    mixed = labels.demand(belief, batch, torch.Generator().manual_seed(1)).mixed
    return batch, mixed.label, belief.label[: len(mixed.label)]


def test_where_people_labelled_they_lend_what_they_drew_to_the_pool(tiny_run: Make) -> None:
    batch, mixed, believed = mixed_by(tiny_run(), 'labelled')
    assert len(mixed) == len(batch.unlabelled.image)
    for place, (label, before) in enumerate(zip(mixed, believed, strict=True)):
        pasted = label != before
        giver = batch.labelled.label[place % len(batch.labelled.label)].long()
        assert bool(pasted.any()) and torch.equal(label[pasted], giver[pasted])


def test_the_sky_is_behind_everything_also_in_pictures_judged_apart(tiny_run: Make) -> None:
    batch, teacher, labels = parts_of(tiny_run())
    batch.labelled.label[:, :8] = SKY
    longer = batch.labelled.intrinsics.clone()
    longer[:, :2, :2] *= 1.5
    first = labels.belief(teacher, batch.labelled)
    second = labels.belief(teacher, batch.labelled._replace(intrinsics=longer))
    sky = (first.label == SKY)[:, None]
    assert bool(first.depth[sky].amin() > second.depth[~sky].amax())
    assert bool(first.depth[sky].amin() > labels.camera.depth_range[1])


def test_scores_that_are_no_numbers_are_believed_nowhere(tiny_run: Make) -> None:
    batch, teacher, labels = parts_of(tiny_run())
    with torch.no_grad():
        teacher.network.semantic_head.score.bias[3] = torch.nan
    unknown = torch.zeros_like(batch.unlabelled.labelled)
    belief = labels.belief(teacher, batch.unlabelled._replace(labelled=unknown))
    assert bool((belief.label == UNLABELLED).all()) and not bool(belief.confidence.any())


def test_the_pool_keeps_to_itself_unless_told(tiny_run: Make) -> None:
    _, mixed, believed = mixed_by(tiny_run(), 'pool')
    known = set(believed.unique().tolist())
    assert set(mixed.unique().tolist()) <= known


def judged(
    config: TrainingConfig, depth_only: list[bool], *mean_of_all: MeanOfAll
) -> tuple[Batch, MeanTeacher, tuple]:
    """A pool that nobody labelled, of which some is for depth alone, and what comes of it."""
    data = replace(config.data, extra_unlabelled='all', extra_depth_only=True)
    debias = replace(config.teacher, debias=1.0)
    batch, teacher, labels = parts_of(replace(config, data=data, teacher=debias), *mean_of_all)
    pool = batch.unlabelled
    pool = pool._replace(
        labelled=torch.zeros_like(pool.labelled),
        label=torch.full_like(pool.label, UNLABELLED),
        depth_only=torch.tensor(depth_only),
    )
    batch = batch._replace(unlabelled=pool)
    return batch, teacher, labels(batch, teacher, 0, torch.Generator().manual_seed(1))


def test_the_teacher_says_nothing_of_frames_that_are_for_depth_alone(tiny_run: Make) -> None:
    batch, teacher, (known, demand) = judged(tiny_run(), [False, True])
    assert not bool((known[0] == UNLABELLED).any()) and bool((known[1] == UNLABELLED).all())
    assert len(demand.mixed.image) == len(demand.weight) == 1
    alone = batch._replace(unlabelled=batch.unlabelled.rows(torch.tensor([0])))
    again = MeanTeacher(teacher.network)
    again.bias.learn_of(alone.labelled.label)
    pool = alone.unlabelled
    again.bias.follow(teacher(pool.image.float() / 255).logits, ~pool.labelled)
    torch.testing.assert_close(teacher.bias.mean, again.bias.mean)


def test_a_step_that_shows_the_teacher_nothing_leaves_its_bias_alone(tiny_run: Make) -> None:
    _, teacher, (known, demand) = judged(tiny_run(), [True, True])
    assert demand is None and bool((known == UNLABELLED).all())
    assert len(set(teacher.bias.mean.tolist())) == 1


def test_processes_wait_for_each_other_whatever_their_teachers_see(
    tiny_run: Make,
) -> None:
    waits: list[int] = []

    def mean_of_all(ours: torch.Tensor) -> torch.Tensor:
        waits[-1] += 1
        return ours

    for depth_only in ([False, False], [False, True], [True, True]):
        waits.append(0)
        judged(tiny_run(), depth_only, mean_of_all)
    assert len(set(waits)) == 1 and waits[0] > 0


def test_a_class_that_only_the_pool_shows_is_taught_as_well(tiny_run: Make) -> None:
    batch, teacher, labels = parts_of(tiny_run('--teacher.debias=0.5'))
    batch.labelled.label.fill_(UNLABELLED)
    batch.unlabelled.label[0, 0, 0] = SKY
    labels(batch, teacher, 0, torch.Generator().manual_seed(0))
    assert bool(teacher.bias.taught[SKY])
