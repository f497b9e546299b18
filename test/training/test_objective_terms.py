"""What each term of a step asks, and how much it counts."""

from __future__ import annotations

import pytest
import torch
from objective_setting import FOCAL_PX, NO_DEPTH, Make, Setting

from sds_perception.labels import ROAD, UNLABELLED
from sds_perception.network import Prediction
from sds_training import neighbour_terms as module
from sds_training.data.samples import concatenated
from sds_training.geometry import PITCH, ROLL, YAW
from sds_training.losses.semantic import labelled_cross_entropy
from sds_training.objective import JointObjective, is_channel_affinity


@pytest.mark.parametrize('words', [(), ('--loss.depth=2', '--loss.smoothness=1')])
def test_the_total_is_the_weighted_sum_of_the_terms(
    tiny_run: Make, words: tuple[str, ...]
) -> None:
    config = tiny_run(*words)
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


def test_figures_for_the_journal_hold_no_graph(tiny_run: Make) -> None:
    losses = Setting(tiny_run()).loss()
    assert losses.total.requires_grad
    assert not any(each.requires_grad for each in losses.terms.values())


def test_a_term_of_weight_zero_is_not_computed(tiny_run: Make) -> None:
    terms = Setting(tiny_run(*NO_DEPTH, '--loss.consistency=0')).loss().terms
    assert terms.keys() == {'total', 'supervised'}


def test_without_labels_the_supervised_term_is_zero(tiny_run: Make) -> None:
    setting = Setting(tiny_run())
    labelled = setting.batch.labelled
    setting.batch = setting.batch._replace(
        labelled=labelled._replace(label=torch.full_like(labelled.label, 255))
    )
    assert setting.loss().terms['supervised'] == 0


def test_both_heads_are_told_what_people_drew_and_each_counts_half(tiny_run: Make) -> None:
    setting = Setting(tiny_run())
    label = setting.batch.labelled.label
    final, side = torch.randn(2, 4, 19, 16, 16, generator=torch.Generator().manual_seed(0))
    said = Prediction(final, (), side)
    _, error = JointObjective(setting.config, FOCAL_PX).people_terms(said, label)['supervised']
    both = [labelled_cross_entropy(each[: len(label)], label) for each in (final, side)]
    torch.testing.assert_close(error, sum(both) / 2)


def test_jaccard_is_asked_of_the_final_head(tiny_run: Make) -> None:
    setting = Setting(tiny_run('--loss.jaccard=1'))
    label, objective = setting.batch.labelled.label, JointObjective(setting.config, FOCAL_PX)
    one, other = torch.randn(2, 4, 19, 16, 16, generator=torch.Generator().manual_seed(0))
    errors = [
        objective.people_terms(Prediction(final, (), side), label)['jaccard'][1]
        for final, side in ((one, one), (one, other), (other, one))
    ]
    assert errors[0] == errors[1] != errors[2]


def test_labels_that_nobody_trusts_ask_nothing(tiny_run: Make) -> None:
    setting = Setting(tiny_run(*NO_DEPTH))
    demand = setting.loss_and_views()[1].demand
    logits = torch.randn(len(demand.weight), 19, 16, 16)
    objective = JointObjective(setting.config, FOCAL_PX)
    silent = demand._replace(weight=torch.zeros_like(demand.weight))
    assert objective.demand_term(logits, demand)['consistency'][1] > 0
    assert objective.demand_term(logits, silent)['consistency'][1] == 0


def test_the_ground_speaks_in_metres_of_the_true_lens(tiny_run: Make) -> None:
    words = ('--loss.road=1', '--loss.standing=1', '--loss.jaccard=1', *NO_DEPTH)
    setting = Setting(tiny_run(*words))
    terms = setting.loss(FOCAL_PX).terms
    assert {'road', 'standing', 'jaccard'} <= terms.keys()
    assert terms['road'] > 0 and terms['standing'] > 0
    other = setting.loss(FOCAL_PX / 2).terms
    assert other['road'] != terms['road']
    torch.testing.assert_close(other['standing'], terms['standing'])


def test_each_ground_term_has_its_own_weight_and_comes_alone_where_asked(tiny_run: Make) -> None:
    people = (*NO_DEPTH, '--loss.consistency=0')
    both = Setting(tiny_run('--loss.road=2', '--loss.standing=5', *people)).loss()
    told = both.terms
    wanted = told['supervised'] + 2 * told['road'] + 5 * told['standing']
    torch.testing.assert_close(both.total, wanted)
    for name, other in (('road', 'standing'), ('standing', 'road')):
        terms = Setting(tiny_run(f'--loss.{name}=1', *people)).loss().terms
        assert terms[name] > 0 and other not in terms


def test_the_ground_is_where_the_middle_of_a_coarse_pixel_says(tiny_run: Make) -> None:
    setting = Setting(tiny_run('--loss.road=1', *NO_DEPTH))
    frames = setting.batch.labelled
    label = torch.full_like(frames.label, UNLABELLED).long()
    label[:, 2::4, 2::4] = ROAD
    disparity = torch.full((len(label), 1, *(side // 4 for side in label.shape[1:])), 0.5)
    terms = JointObjective(setting.config, FOCAL_PX).ground_terms(disparity, label, frames)
    assert terms['road'][1] > 0


def test_a_frame_without_neighbours_teaches_no_depth_whatever_stands_in_for_them(
    tiny_run: Make,
) -> None:
    setting = Setting(tiny_run('--loss.consistency=0'))
    labelled = setting.batch.labelled
    found = []
    for stand_in in (0, 255):
        alone, neighbours = labelled.has_neighbours.clone(), labelled.neighbours.clone()
        alone[0], neighbours[0] = False, stand_in
        frames = labelled._replace(has_neighbours=alone, neighbours=neighbours)
        setting.batch = setting.batch._replace(labelled=frames)
        found.append(setting.loss().terms['photometric'])
    assert torch.equal(*found)


def test_aligned_neighbours_fit_better_and_need_no_pose_network(tiny_run: Make) -> None:
    words = ('--pose.odometry=true', '--loss.speed=0')
    told = Setting(tiny_run(*words)).loss().terms
    setting = Setting(tiny_run(*words, '--pose.align=true'))
    losses = setting.loss()
    assert losses.terms['photometric'] < told['photometric']
    losses.total.backward()
    assert all(each.grad is None for each in setting.networks.pose.parameters())


@pytest.mark.parametrize(
    ('words', 'axes'),
    [(('--pose.odometry=true', '--loss.speed=0'), (PITCH, ROLL)), ((), (PITCH, YAW, ROLL))],
)
def test_where_the_vehicle_tells_the_yaw_alignment_leaves_it_alone(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], axes: tuple[int, ...]
) -> None:
    asked = []
    monkeypatch.setattr(
        module, 'turned_to_fit', lambda *given: (asked.append(given[5]), given[3])[1]
    )
    Setting(tiny_run('--pose.align=true', '--loss.consistency=0', *words)).loss()
    assert asked == [axes]


def test_scales_are_compared_at_the_size_asked_for(tiny_run: Make) -> None:
    sizes = ('full', 'own', 'finest')
    words = [(f'--loss.compare={size}', '--loss.consistency=0') for size in sizes]
    errors = {float(Setting(tiny_run(*each)).loss().terms['photometric']) for each in words}
    assert len(errors) == 3


def test_alignment_is_told_depth_behind_the_true_lens(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    monkeypatch.setattr(
        module, 'turned_to_fit', lambda *given: (told.append(given[2]), given[3])[1]
    )
    setting = Setting(tiny_run('--pose.align=true', '--loss.consistency=0'))
    setting.loss_and_views(FOCAL_PX)
    views = setting.loss_and_views(FOCAL_PX / 2)[1]
    near, far = told
    torch.testing.assert_close(far, 2 * near)
    clean = concatenated(setting.batch.labelled, setting.batch.unlabelled)
    rows = clean.has_neighbours
    camera = JointObjective(setting.config, FOCAL_PX / 2).camera
    torch.testing.assert_close(far, camera.depth(views.disparity[rows], clean.intrinsics[rows]))


def test_a_longer_lens_and_a_faster_car_look_alike(tiny_run: Make) -> None:
    setting = Setting(tiny_run('--loss.consistency=0'))
    once = setting.loss(FOCAL_PX).terms['photometric']
    translation = setting.networks.pose.head[-1]
    with torch.no_grad():  # doubled motion against doubled depth: the warp stays what it was
        translation.weight[3:] *= 2
        translation.bias[3:] *= 2
    torch.testing.assert_close(setting.loss(FOCAL_PX / 2).terms['photometric'], once)


def test_how_far_the_vehicle_drove_is_no_matter_of_the_lens(tiny_run: Make) -> None:
    setting = Setting(tiny_run('--loss.consistency=0'))
    near, far = (setting.loss(focal).terms['speed'] for focal in (FOCAL_PX, FOCAL_PX / 2))
    assert near > 0 and torch.equal(near, far)


def test_orthogonality_ends_at_three_quarters_of_the_run(tiny_run: Make) -> None:
    setting = Setting(tiny_run('--loss.orthogonality=0.0001', *NO_DEPTH))
    assert 'orthogonality' in setting.loss(step=2).terms
    assert 'orthogonality' not in setting.loss(step=3).terms


def test_orthogonality_is_asked_of_both_layers_of_an_affinity(tiny_run: Make) -> None:
    names = [name for name, _ in Setting(tiny_run()).networks.named_parameters()]
    layers = {name.split('.')[-2] for name in names if is_channel_affinity(name)}
    assert layers == {'squeeze', 'expand'}
