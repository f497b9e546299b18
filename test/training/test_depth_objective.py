from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from lightning_fabric import Fabric

from sds_training import neighbour_terms as module
from sds_training.config import TrainingConfig
from sds_training.data.clips import training_pools
from sds_training.data.loading import StepBatches
from sds_training.data.samples import Batch, concatenated
from sds_training.depth_objective import DepthObjective, passes_of
from sds_training.learner import build_student, reference_encoder
from sds_training.networks.joint import LearnerNetworks
from sds_training.networks.pose import PoseNetwork
from sds_training.objective import Losses, Views
from sds_training.teacher import MeanTeacher

Make = Callable[..., TrainingConfig]


def networks_of(config: TrainingConfig) -> LearnerNetworks:
    return LearnerNetworks(build_student(config), PoseNetwork(config.pose)).train()


def first_step(
    config: TrainingConfig, networks: LearnerNetworks, reference: torch.nn.Module | None = None
) -> tuple[Losses, Views, Batch]:
    objective = DepthObjective(config, 90.0, reference)
    batch = next(StepBatches(config.data, training_pools(config.data), 0).between(0, 1))
    teacher, draw = MeanTeacher(networks.student), torch.Generator().manual_seed(0)
    return *objective(batch, networks, teacher, 0, draw), batch


def test_features_of_equal_weights_are_at_no_distance(tiny_run: Make) -> None:
    config = tiny_run('--stage=depth')
    torch.manual_seed(0)
    student = build_student(config)
    student.train()
    reference = copy.deepcopy(student.encoder).eval().requires_grad_(False)
    objective, image = DepthObjective(config, 90.0, reference), torch.rand(2, 3, 64, 64)

    def distance() -> torch.Tensor:
        with passes_of(student.encoder) as passes:
            student(image)
        return objective.feature_distance(*passes[0])

    assert distance() == 0
    with torch.no_grad():
        next(student.encoder.parameters()).mul_(1.5).add_(0.1)
    assert distance() > 0


def test_features_are_at_no_distance_in_half_precision_either(tiny_run: Make) -> None:
    config = tiny_run('--stage=depth', '--fabric.precision=bf16-mixed')
    fabric = Fabric(accelerator='cpu', devices=1, precision='bf16-mixed')
    student = build_student(config).train()
    reference = copy.deepcopy(student.encoder).eval().requires_grad_(False)
    objective = DepthObjective(config, 90.0, reference)
    with passes_of(student.encoder) as passes:
        fabric.setup_module(student)(torch.rand(2, 3, 64, 64))
    with fabric.autocast():
        assert objective.feature_distance(*passes[0]) == 0


def test_a_step_of_depth_sees_each_frame_once(tiny_run: Make) -> None:
    config = tiny_run('--stage=depth')
    networks = networks_of(config)
    reference = copy.deepcopy(networks.student.encoder).requires_grad_(False)
    losses, _, _ = first_step(config, networks, reference)
    losses.total.backward()
    passes = {int(each) for name, each in networks.student.named_buffers() if 'tracked' in name}
    assert passes == {1} and 'feature_distance' in losses.terms


def test_depth_pretraining_compares_frames_as_they_are_and_recolours_what_is_seen(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_run('--stage=depth', '--color_aug.global_probability=1')
    networks, shown, compared = networks_of(config), [], []
    networks.student.register_forward_pre_hook(lambda _, given: shown.extend(given))
    real = module.self_supervised_depth_loss

    def watching(*given: object) -> object:
        compared.extend(given[1:3])
        return real(*given)

    monkeypatch.setattr(module, 'self_supervised_depth_loss', watching)
    _, views, batch = first_step(config, networks)
    clips, (target, sources) = concatenated(*batch), compared
    assert torch.equal(target, clips.image.float() / 255)
    assert torch.equal(sources, clips.neighbours.float() / 255)
    assert torch.equal(shown[0], views.seen)
    assert not torch.allclose(views.seen, target, atol=0.01)


@pytest.mark.parametrize(
    ('words', 'kept'),
    [
        ((), True),
        (('--network.pretrained=false',), False),
        (('--optimiser.encoder_rate=0',), False),
        (('--loss.feature_distance=0',), False),
    ],
)
def test_only_public_weights_that_could_be_forgotten_are_kept_for_comparison(
    tiny_run: Make, words: tuple[str, ...], kept: bool
) -> None:
    student = build_student(tiny_run()).train()
    asked = ('--network.pretrained=true', '--loss.feature_distance=0.01')
    reference = reference_encoder(tiny_run(*asked, *words), student)
    assert (reference is not None) == kept
    if reference is not None:
        assert not any(each.training for each in reference.modules())
        assert not any(each.requires_grad for each in reference.parameters())
        assert student.encoder.training


def test_a_pass_after_the_block_is_not_remembered(tiny_run: Make) -> None:
    encoder = build_student(tiny_run('--stage=depth')).encoder
    with passes_of(encoder) as passes:
        encoder(torch.rand(2, 3, 64, 64))
    encoder(torch.rand(2, 3, 64, 64))
    assert len(passes) == 1


def test_depth_pretraining_recolours_frames_as_often_as_whole_ones_are(tiny_run: Make) -> None:
    words = ('--color_aug.probability=1', '--color_aug.global_probability=0')
    config = tiny_run('--stage=depth', *words)
    _, views, batch = first_step(config, networks_of(config))
    torch.testing.assert_close(views.seen, concatenated(*batch).image / 255, rtol=0, atol=1e-5)


def test_the_distance_of_features_counts_as_much_as_asked(tiny_run: Make) -> None:
    config = tiny_run('--stage=depth', '--loss.feature_distance=0.5', '--loss.speed=0')
    networks = networks_of(config)
    losses, _, _ = first_step(config, networks, build_student(config).encoder)
    told, weights = losses.terms, config.loss
    depth = told['photometric'] + weights.smoothness * told['smoothness']
    wanted = weights.depth * depth + 0.5 * told['feature_distance']
    torch.testing.assert_close(losses.total, wanted)
    assert told['feature_distance'] > 0
