from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric

from sds_training import neighbour_terms as module
from sds_training.config import TrainingConfig
from sds_training.data.clips import training_pools
from sds_training.data.loading import StepBatches
from sds_training.data.samples import Batch, concatenated
from sds_training.learner import build_student
from sds_training.networks.joint import LearnerNetworks
from sds_training.networks.pose import PoseNetwork
from sds_training.objective import JointObjective, Losses, Views
from sds_training.run.pictures import step_pictures
from sds_training.teacher import MeanTeacher

Make = Callable[..., TrainingConfig]
FOCAL_PX = 90.0
NO_DEPTH = ('--loss.depth=0', '--loss.speed=0')


class Setting:
    """A learner's parts at a known start, and the loss of its first batch."""

    def __init__(self, config: TrainingConfig) -> None:
        torch.manual_seed(0)
        self.config = config
        student = build_student(config)
        self.networks = LearnerNetworks(student, PoseNetwork(config.pose))
        self.teacher = MeanTeacher(student)
        self.batch: Batch = StepBatches(config.data, training_pools(config.data), config.seed)[0]

    def loss(self, focal_px: float = FOCAL_PX, step: int = 0) -> Losses:
        return self.loss_and_views(focal_px, step)[0]

    def loss_and_views(self, focal_px: float = FOCAL_PX, step: int = 0) -> tuple[Losses, Views]:
        generator = torch.Generator().manual_seed(1)
        torch.manual_seed(2)
        call = JointObjective(self.config, focal_px)
        return call(self.batch, self.networks, self.teacher, step, generator)


def test_the_three_sources_of_knowledge_all_reach_the_student(tiny_run: Make) -> None:
    setting = Setting(tiny_run())
    losses = setting.loss()
    losses.total.backward()
    silent = [n for n, p in setting.networks.named_parameters() if p.grad is None]
    assert not silent
    assert {'supervised', 'consistency', 'photometric', 'smoothness'} <= losses.terms.keys()


def test_half_precision_does_not_round_how_the_vehicle_moved(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = Setting(tiny_run('--pose.odometry=true', '--pose.align=true', '--loss.speed=0'))
    fabric = Fabric(accelerator='cpu', devices=1, precision='bf16-mixed')
    setting.networks = fabric.setup_module(setting.networks)
    taken: list[torch.Tensor] = []
    monkeypatch.setattr(
        module, 'turned_to_fit', lambda *given: (taken.append(given[3]), given[3])[1]
    )
    setting.loss()
    clips = concatenated(setting.batch.labelled, setting.batch.unlabelled)
    assert torch.equal(taken[0], clips.driven[clips.has_neighbours])


def test_no_gradient_reaches_the_teacher(tiny_run: Make) -> None:
    setting = Setting(tiny_run())
    setting.loss().total.backward()
    assert all(
        p.grad is None and not p.requires_grad for p in setting.teacher.network.parameters()
    )


def test_the_total_is_the_weighted_sum_of_the_terms(tiny_run: Make) -> None:
    config = tiny_run()
    weights = config.loss
    losses = Setting(config).loss()
    told = losses.terms
    wanted = (
        weights.supervised * told['supervised']
        + weights.consistency * told['consistency']
        + weights.depth * (told['photometric'] + weights.smoothness * told['smoothness'])
        + weights.speed * told['speed']
    )
    torch.testing.assert_close(losses.total, wanted)


def test_color_aug_never_touches_the_frames_that_the_depth_loss_compares(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[torch.Tensor, torch.Tensor]] = []
    real = module.self_supervised_depth_loss

    def watching(disparities: object, target: torch.Tensor, sources: torch.Tensor, *rest: object):
        compared.append((target.clone(), sources.clone()))
        return real(disparities, target, sources, *rest)

    monkeypatch.setattr(module, 'self_supervised_depth_loss', watching)
    for words in (
        ('--color_aug.probability=1',),
        ('--color_aug.probability=0', '--color_aug.global_probability=0'),
    ):
        Setting(tiny_run(*words)).loss()
    (with_target, with_sources), (target, sources) = compared
    assert torch.equal(with_target, target) and torch.equal(with_sources, sources)


def test_color_aug_changes_what_the_network_sees(tiny_run: Make) -> None:
    plain = Setting(tiny_run('--color_aug.probability=0', '--color_aug.global_probability=0'))
    coloured = Setting(tiny_run('--color_aug.probability=1'))
    assert plain.loss().terms['supervised'] != coloured.loss().terms['supervised']


def test_without_labels_the_supervised_term_is_zero(tiny_run: Make) -> None:
    setting = Setting(tiny_run())
    labelled = setting.batch.labelled
    setting.batch = setting.batch._replace(
        labelled=labelled._replace(label=torch.full_like(labelled.label, 255))
    )
    assert setting.loss().terms['supervised'] == 0


def test_aligned_neighbours_fit_better_and_need_no_pose_network(tiny_run: Make) -> None:
    words = ('--pose.odometry=true', '--loss.speed=0')
    told = Setting(tiny_run(*words)).loss().terms
    setting = Setting(tiny_run(*words, '--pose.align=true'))
    losses = setting.loss()
    assert losses.terms['photometric'] < told['photometric']
    losses.total.backward()
    assert all(each.grad is None for each in setting.networks.pose.parameters())


def test_a_term_of_weight_zero_is_not_computed(tiny_run: Make) -> None:
    terms = Setting(tiny_run(*NO_DEPTH, '--loss.consistency=0')).loss().terms
    assert terms.keys() == {'total', 'supervised'}


@pytest.mark.parametrize('trust', ['batch', 'pixel'])
def test_the_pictures_show_how_much_each_mixed_label_counted(tiny_run: Make, trust: str) -> None:
    words = (f'--teacher.trust={trust}', '--teacher.threshold=0.2')
    losses, views = Setting(tiny_run(*words)).loss_and_views()
    mixed, weight, _ = views.demand
    assert weight.shape == mixed.label.shape
    torch.testing.assert_close(weight.mean(), losses.terms['trust'])
    sheet = step_pictures(views)['mixed']
    shown = sheet[: weight.shape[1], -weight.shape[2] :, 0]
    assert (shown == (weight[0] * 255).byte().numpy()).all()


def test_the_ground_speaks_in_metres_of_the_true_lens(tiny_run: Make) -> None:
    words = ('--loss.road=1', '--loss.standing=1', '--loss.jaccard=1', *NO_DEPTH)
    setting = Setting(tiny_run(*words))
    terms = setting.loss(FOCAL_PX).terms
    assert {'road', 'standing', 'jaccard'} <= terms.keys()
    assert terms['road'] > 0 and terms['standing'] > 0
    other = setting.loss(FOCAL_PX / 2).terms
    assert other['road'] != terms['road']
    torch.testing.assert_close(other['standing'], terms['standing'])


def test_belief_takes_peoples_labels_where_there_are_some(tiny_run: Make) -> None:
    setting = Setting(tiny_run())
    pool = setting.batch.labelled
    belief = JointObjective(setting.config, FOCAL_PX).pseudo_labels.belief(setting.teacher, pool)
    assert torch.equal(belief.label, pool.label.long())
    known = pool.label != 255
    assert bool((belief.confidence[known] == 1).all())
    assert not belief.confidence.requires_grad and not belief.depth.requires_grad


def test_network_depth_behind_twice_the_focal_length_means_twice_the_metres(
    tiny_run: Make,
) -> None:
    setting = Setting(tiny_run())
    pool = setting.batch.unlabelled
    near = JointObjective(setting.config, FOCAL_PX).pseudo_labels.belief(setting.teacher, pool)
    far = JointObjective(setting.config, FOCAL_PX / 2).pseudo_labels.belief(setting.teacher, pool)
    torch.testing.assert_close(far.depth, 2 * near.depth)


def test_a_longer_lens_and_a_faster_car_look_alike(tiny_run: Make) -> None:
    setting = Setting(tiny_run('--loss.consistency=0'))
    once = setting.loss(FOCAL_PX).terms['photometric']
    translation = setting.networks.pose.head[-1]
    with torch.no_grad():  # doubled motion against doubled depth: the warp stays what it was
        translation.weight[3:] *= 2
        translation.bias[3:] *= 2
    torch.testing.assert_close(setting.loss(FOCAL_PX / 2).terms['photometric'], once)


def test_orthogonality_ends_at_three_quarters_of_the_run(tiny_run: Make) -> None:
    setting = Setting(tiny_run('--loss.orthogonality=0.0001', *NO_DEPTH))
    assert 'orthogonality' in setting.loss(step=2).terms
    assert 'orthogonality' not in setting.loss(step=3).terms


def test_teacher_labels_start_when_told(tiny_run: Make) -> None:
    config = tiny_run(*NO_DEPTH)
    config = replace(config, teacher=replace(config.teacher, start_step=2))
    setting = Setting(config)
    assert 'consistency' not in setting.loss(step=1).terms
    assert 'consistency' in setting.loss(step=2).terms
