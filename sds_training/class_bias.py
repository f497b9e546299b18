"""What a teacher says too often, and its scores with that taken back.

A teacher of few labels is surest of what there is most of, its pseudo labels say so, and the
student that learns from them says it more, until little is left of the rare classes. Taking the
logarithm of its mean probabilities from its scores pushes back the more, the less a class is left
(Wang et al., Debiased Learning from Naturally Imbalanced Pseudo-Labels, CVPR 2022,
arXiv 2201.01490).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

KEPT = 0.98  # of the mean, each time it is told of further pictures
HEAD_BIAS = 'semantic_head.score.bias'  # (K,) in an SdsNetwork's state dict
LEAST = 1e-4  # probability under which a class counts as never said


def debiased_head(weights: dict[str, Tensor], mean: Tensor, strength: float) -> dict[str, Tensor]:
    """The network whose scores come less `strength` times the logarithm of `mean`, for a release.

    What `ClassBias` does to pseudo labels while the network learns, done once to what it has
    learnt (logit adjustment: Menon et al., ICLR 2021, arXiv 2007.07314).

    Args:
        weights: state dict of an `SdsNetwork`; all but the bias of its scores stays as it is.
        mean: (K,), how likely the network holds each class on average, as `ClassBias.prior`.
        strength: 0 changes nothing, 1 treats all classes as equally frequent.
    """
    before = weights[HEAD_BIAS]
    return {**weights, HEAD_BIAS: before - strength * (mean + LEAST).log().to(before)}


class ClassBias(nn.Module):
    """The running mean probability of each class over unlabelled pictures; uniform at first."""

    mean: Tensor  # (K,), sums to 1
    taught: Tensor  # (K,) bool, whether people's labels have shown the class

    def __init__(
        self, classes: int, mean_of_all: Callable[[Tensor], Tensor] = lambda ours: ours
    ) -> None:
        """For `classes` classes; `mean_of_all` makes one tensor of those of all processes."""
        super().__init__()
        self.register_buffer('mean', torch.full((classes,), 1.0 / classes))
        self.register_buffer('taught', torch.zeros(classes, dtype=torch.bool))
        self._mean_of_all = mean_of_all

    @property
    def prior(self) -> Tensor:
        """(K,) the mean; of a class that no label has shown, that of the most frequent one.

        It is rare because nobody taught it, and what debiasing would raise are guesses.
        """
        return torch.where(self.taught, self.mean, self.mean.max())

    @torch.no_grad()
    def learn_of(self, label: Tensor) -> None:
        """Note which classes people's labels show: (B, H, W) uint8 train ids, 255 = unlabelled."""
        shown = torch.zeros(256, device=label.device)
        shown = shown.index_fill_(0, label.flatten().long(), 1.0)[: len(self.taught)]
        self.taught |= self._mean_of_all(shown) > 0  # a collective, as below

    def restore(self, state: dict[str, Tensor]) -> None:
        """The inverse of `state_dict`; versions before `taught` took every class as taught."""
        self.load_state_dict({'taught': torch.ones_like(self.taught), **state})

    @classmethod
    def restored(cls, state: dict[str, Tensor]) -> ClassBias:
        """One from its `state_dict`."""
        bias = cls(len(state['mean']))
        bias.restore(state)
        return bias

    @torch.no_grad()
    def follow(self, logits: Tensor, counts: Tensor) -> None:
        """Move the mean towards that of (B, K, h, w) scores, over pictures that count, (B,) bool.

        A batch of which no picture counts moves it nowhere.
        """
        share = logits.float().softmax(dim=1).mean((2, 3))
        picked = counts.to(share.dtype)
        sums = torch.cat(((share * picked[:, None]).sum(dim=0), picked.sum()[None]))
        sums = self._mean_of_all(sums)  # a collective: every process must come by here
        usable = (sums[-1] > 0) & sums.isfinite().all()  # a score that is no number says nothing
        now = torch.where(usable, sums[:-1] / sums[-1].clamp(min=1e-6), self.mean)
        self.mean.lerp_(now, 1.0 - KEPT)

    def taken_from(self, logits: Tensor, strength: float) -> Tensor:
        """Scores (B, K, H, W) less `strength` times the logarithm of the prior."""
        return logits - strength * (self.prior + LEAST).log()[:, None, None]
