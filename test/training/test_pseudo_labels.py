from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import interpolate

from sds_perception.labels import SKY, UNLABELLED
from sds_training import pseudo_labels as module
from sds_training.augment.mix_config import AffineMixConfig
from sds_training.canonical_camera import CanonicalCamera
from sds_training.config import TrainingConfig
from sds_training.data.clips import training_pools
from sds_training.data.loading import StepBatches
from sds_training.data.samples import Batch
from sds_training.learner import build_student
from sds_training.pseudo_labels import PseudoLabels
from sds_training.teacher import MeanTeacher

SHARES = {'none': 0.0, 'class_mix': 0.0, 'depth_mix': 0.0, 'affine_mix': 0.0}
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


def only(config: TrainingConfig, kind: str, **changes: object) -> TrainingConfig:
    """With one kind of mixing alone."""
    return replace(config, mix=replace(config.mix, **{**SHARES, kind: 1.0}, **changes))


def drawn() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def mixed_by(config: TrainingConfig, givers: str) -> tuple[Batch, torch.Tensor, torch.Tensor]:
    """A batch, the labels of its mixed pictures, and what was believed of its pool."""
    batch, teacher, labels = parts_of(only(config, 'class_mix', givers=givers))
    unknown = torch.zeros_like(batch.unlabelled.labelled)
    batch = batch._replace(unlabelled=batch.unlabelled._replace(labelled=unknown))
    belief = labels.belief(teacher, labels.teacher_input(batch))
    mixed = labels.demand(belief, batch, drawn()).mixed
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


def test_what_people_left_void_is_believed_nowhere(tiny_run: Make) -> None:
    batch, teacher, labels = parts_of(tiny_run())
    batch.labelled.label[:, :8] = UNLABELLED
    belief = labels.belief(teacher, batch.labelled)
    assert bool((belief.label[:, :8] == UNLABELLED).all())
    assert not bool(belief.confidence[:, :8].any())


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
    return batch, teacher, labels(batch, teacher, 0, drawn())


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


def test_a_class_that_only_people_show_is_taught_as_well(tiny_run: Make) -> None:
    batch, teacher, labels = parts_of(tiny_run('--teacher.debias=0.5'))
    batch.unlabelled.label.fill_(UNLABELLED)
    batch.labelled.label[0, 0, 0] = SKY
    labels(batch, teacher, 0, drawn())
    assert bool(teacher.bias.taught[SKY])


def test_as_much_of_the_bias_is_taken_back_as_asked(tiny_run: Make) -> None:
    batch, teacher, labels = parts_of(tiny_run('--teacher.debias=0.5'))
    pool = batch.unlabelled._replace(labelled=torch.zeros_like(batch.unlabelled.labelled))
    teacher.bias.taught.fill_(True)
    teacher.bias.mean.copy_(torch.linspace(0.01, 1, 19) / torch.linspace(0.01, 1, 19).sum())
    said = labels.belief(teacher, pool).confidence
    logits = interpolate(teacher(pool.image / 255).logits, pool.image.shape[-2:], mode='bilinear')
    wanted = teacher.bias.taken_from(logits, 0.5).softmax(dim=1).amax(dim=1)
    torch.testing.assert_close(said, wanted)


def test_every_frame_is_as_far_as_its_own_lens_makes_it(tiny_run: Make) -> None:
    batch, teacher, labels = parts_of(tiny_run())
    longer = batch.labelled.intrinsics.clone()
    longer[1, :2, :2] *= 2
    one = labels.belief(teacher, batch.labelled).depth
    other = labels.belief(teacher, batch.labelled._replace(intrinsics=longer)).depth
    torch.testing.assert_close(other, one * torch.tensor([1.0, 2.0]).view(2, 1, 1, 1))


def test_the_bias_hears_what_the_teacher_said_and_not_what_was_made_of_it(tiny_run: Make) -> None:
    batch, teacher, labels = parts_of(tiny_run('--teacher.debias=1'))
    pool = batch.unlabelled._replace(labelled=torch.zeros_like(batch.unlabelled.labelled))
    teacher.bias.taught.fill_(True)
    teacher.bias.mean.copy_(torch.linspace(0.01, 1, 19) / torch.linspace(0.01, 1, 19).sum())
    alone = MeanTeacher(teacher.network)
    alone.bias.load_state_dict(teacher.bias.state_dict())
    alone.bias.follow(teacher(pool.image / 255).logits, ~pool.labelled)
    labels.belief(teacher, pool)
    torch.testing.assert_close(teacher.bias.mean, alone.bias.mean)


@pytest.mark.parametrize(('words', 'known'), [((), True), (('--loss.speed=0',), False)])
def test_how_high_a_camera_hangs_is_told_to_depth_in_metres_only(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], known: bool
) -> None:
    told: list[torch.Tensor] = []
    real = module.draw_mix
    monkeypatch.setattr(
        module, 'draw_mix', lambda *given: (told.append(given[5]), real(*given))[1]
    )
    config = tiny_run(*words)
    batch, teacher, labels = parts_of(config)
    labels(batch, teacher, 0, drawn())
    (roads,) = told
    assert config.metric is known and bool(roads[:, :3].isfinite().all())
    assert bool(roads[:, 3].isfinite().all()) is known


@pytest.mark.parametrize('share', [0.0, 1.0])
def test_mixed_pictures_are_altered_as_often_as_asked(tiny_run: Make, share: float) -> None:
    config = only(tiny_run(), 'none')
    strong = replace(config.strong, jitter_probability=share, blur_probability=share)
    batch, teacher, labels = parts_of(replace(config, strong=strong))
    _, demand = labels(batch, teacher, 0, drawn())
    changed = (demand.mixed.image - batch.unlabelled.image / 255).abs().amax(dim=(1, 2, 3))
    assert bool(((changed > 0.01) == bool(share)).all())


@pytest.mark.parametrize(('trust', 'apart'), [('batch', False), ('pixel', True)])
def test_trust_in_mixed_labels_is_one_share_or_pixel_by_pixel_as_asked(
    tiny_run: Make, trust: str, apart: bool
) -> None:
    config = tiny_run(f'--teacher.trust={trust}', '--teacher.threshold=0.9')
    batch, teacher, labels = parts_of(only(config, 'class_mix'))
    batch.labelled.label[:, 8:12] = batch.labelled.label[0, :8] = UNLABELLED
    batch = batch._replace(unlabelled=batch.labelled)
    _, demand = labels(batch, teacher, 0, drawn())
    sure = (demand.mixed.confidence >= 0.9).float()
    assert 0 < sure.mean() < 1
    assert torch.equal(demand.weight, sure if apart else sure.mean().expand_as(sure))


@pytest.mark.parametrize(('kind', 'share'), [('depth_mix', 0.0), ('affine_mix', 1.0)])
def test_the_journal_tells_how_many_pictures_received_a_thing(
    tiny_run: Make, kind: str, share: float
) -> None:
    anywhere = AffineMixConfig(percentiles=(0, 100), area_range=(0, 1), scale_range=(1, 1))
    batch, teacher, labels = parts_of(only(tiny_run(), kind, affine=anywhere))
    batch = batch._replace(unlabelled=batch.labelled)  # a car in each
    _, demand = labels(batch, teacher, 0, drawn())
    assert demand.placed == demand.told['affine_mix'] == share
