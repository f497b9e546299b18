from __future__ import annotations

import torch

from sds_perception.network import NETWORKS, build_network
from sds_training.networks.joint import Answer, LearnerNetworks
from sds_training.networks.pose import PoseConfig, PoseNetwork


def answered(mixed: torch.Tensor | None) -> tuple[Answer, dict[str, torch.Tensor]]:
    """What networks of a known start say, and the student's running statistics afterwards."""
    torch.manual_seed(0)
    networks = LearnerNetworks(build_network(NETWORKS['tiny']), PoseNetwork(PoseConfig())).train()
    image = torch.rand(2, 3, 64, 64)
    found = networks(image, mixed)
    running = {n: b for n, b in networks.student.named_buffers() if n.endswith(('_mean', '_var'))}
    return found, running


def test_mixed_pictures_leave_no_trace_in_the_statistics_that_streets_are_seen_with() -> None:
    without, alone = answered(None)
    beside, together = answered(10 * torch.rand(3, 3, 64, 64))
    assert alone and all(torch.equal(alone[name], together[name]) for name in alone)
    assert torch.equal(without.prediction.logits, beside.prediction.logits)
    assert without.mixed_logits is None


def test_clean_pictures_do_move_the_statistics_also_after_mixed_ones() -> None:
    torch.manual_seed(0)
    networks = LearnerNetworks(build_network(NETWORKS['tiny']), PoseNetwork(PoseConfig())).train()
    mean = next(b for n, b in networks.student.named_buffers() if n.endswith('running_mean'))
    image = torch.rand(2, 3, 64, 64)
    for _ in range(2):
        before = mean.clone()
        networks(image, image)
        assert not torch.equal(mean, before)


def test_a_frozen_encoder_keeps_the_statistics_it_was_frozen_with() -> None:
    networks = LearnerNetworks(build_network(NETWORKS['tiny']), PoseNetwork(PoseConfig()))
    networks.student.encoder.requires_grad_(False)
    before = {name: each.clone() for name, each in networks.student.named_buffers()}
    image = torch.rand(2, 3, 64, 64)
    networks.train()(image, image)
    moved = {n for n, b in networks.student.named_buffers() if not torch.equal(b, before[n])}
    assert moved and not any(name.startswith('encoder.') for name in moved)


def test_kept_statistics_make_a_student_that_learns_answer_as_the_release_will() -> None:
    pose = PoseNetwork(PoseConfig(encoder='resnet10t'))
    networks = LearnerNetworks(build_network(NETWORKS['tiny']), pose, keeps_statistics=True)
    frames = torch.rand(2, 3, 3, 64, 64)
    before = {name: each.clone() for name, each in networks.named_buffers()}
    learning = networks.train()(frames[:, 0], frames[:, 1], frames)
    moved = {n for n, b in networks.named_buffers() if not torch.equal(b, before[n])}
    assert moved and all(name.startswith('pose.') for name in moved)  # it began with nothing
    answer = networks.eval()(frames[:, 0])
    assert torch.equal(learning.prediction.logits, answer.prediction.logits)


def test_mixed_pictures_teach_the_student() -> None:
    logits = answered(torch.rand(3, 3, 64, 64))[0].mixed_logits
    assert logits is not None and logits.shape == (3, 19, 16, 16) and logits.requires_grad
