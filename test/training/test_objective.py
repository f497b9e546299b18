"""What a step sees, believes and compares."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric
from objective_setting import FOCAL_PX, NO_DEPTH, Make, Setting

from sds_training import neighbour_terms as module
from sds_training import objective as objective_module
from sds_training.augment.color_aug import draw_color_aug, ground_mask
from sds_training.augment.objects import movable_mask
from sds_training.data.samples import concatenated
from sds_training.objective import JointObjective
from sds_training.run.pictures import step_pictures


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


def test_what_is_known_of_a_frame_is_known_of_that_frame(tiny_run: Make) -> None:
    setting = Setting(tiny_run(*NO_DEPTH))
    views, labelled = setting.loss_and_views()[1], setting.batch.labelled
    assert torch.equal(views.label[: len(labelled.label)], labelled.label.long())


def test_color_aug_changes_what_the_network_sees(tiny_run: Make) -> None:
    plain = Setting(tiny_run('--color_aug.probability=0', '--color_aug.global_probability=0'))
    coloured = Setting(tiny_run('--color_aug.probability=1'))
    assert plain.loss().terms['supervised'] != coloured.loss().terms['supervised']


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


def test_teacher_labels_start_when_told(tiny_run: Make) -> None:
    config = tiny_run(*NO_DEPTH)
    config = replace(config, teacher=replace(config.teacher, start_step=2))
    setting = Setting(config)
    assert 'consistency' not in setting.loss(step=1).terms
    assert 'consistency' in setting.loss(step=2).terms


def test_pictures_whose_labels_are_asked_for_are_seen_whole(tiny_run: Make) -> None:
    words = ('--color_aug.probability=1', '--color_aug.global_probability=0')
    setting = Setting(tiny_run(*words, *NO_DEPTH))
    seen, (labelled, pool) = setting.loss_and_views()[1].seen, setting.batch
    asked, rest = seen.split((len(labelled.image), len(pool.image)))
    torch.testing.assert_close(asked, labelled.image / 255, rtol=0, atol=1e-5)
    assert bool(((rest - pool.image / 255).abs() > 0.01).any())


def test_the_parts_that_are_recoloured_apart_are_those_that_are_known(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    masks = []
    monkeypatch.setattr(
        objective_module, 'apply_color_aug', lambda image, *given: (masks.append(given), image)[1]
    )
    words = ('--color_aug.probability=1', '--color_aug.groups=ground', *NO_DEPTH)
    views = Setting(tiny_run(*words)).loss_and_views()[1]
    ((movable, _, ground),) = masks
    assert torch.equal(movable, movable_mask(views.label)) and movable.any() and not movable.all()
    assert torch.equal(ground, ground_mask(views.label)) and ground.any()


def test_the_pose_network_sees_all_frames_in_the_backgrounds_colours(tiny_run: Make) -> None:
    config = tiny_run('--color_aug.probability=1')
    image = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    plan = draw_color_aug(2, config.color_aug, torch.Generator().manual_seed(1), step=0)
    objective, rows = JointObjective(config, FOCAL_PX), torch.tensor([1])
    frames = objective.frames_for_pose(image, image[:, None].repeat(1, 2, 1, 1, 1), plan, rows)
    assert all(torch.equal(frames[:, 0], each) for each in frames.unbind(dim=1))
    assert not torch.allclose(frames[0, 0], image[1], atol=0.01)


def test_the_network_sees_pictures_of_poorer_cameras_where_asked(tiny_run: Make) -> None:
    plain = ('--color_aug.probability=0', '--color_aug.global_probability=0', *NO_DEPTH)
    for share in (0, 1):
        setting = Setting(tiny_run(*plain, f'--poor_camera.probability={share}'))
        image = concatenated(setting.batch.labelled, setting.batch.unlabelled).image / 255
        changed = (setting.loss_and_views()[1].seen - image).abs().amax(dim=(1, 2, 3)) > 1e-3
        assert bool((changed == bool(share)).all())


def test_parts_are_recoloured_from_the_step_told(tiny_run: Make) -> None:
    words = ('--color_aug.probability=1', '--color_aug.global_probability=0')
    setting = Setting(tiny_run(*words, '--color_aug.start_step=2', *NO_DEPTH))
    image = concatenated(setting.batch.labelled, setting.batch.unlabelled).image / 255
    off = [(setting.loss_and_views(step=n)[1].seen - image).abs().amax() for n in (1, 2)]
    assert off[0] < 1e-5 and off[1] > 0.01
