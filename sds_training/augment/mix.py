"""Mixing pictures with what is believed about them: draw a plan, then apply it (method.md 3).

Unless told otherwise every picture of the batch receives from the next one, the last from the
first; a batch of one receives from itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from sds_training.augment.affine_mix import Frame, draw_objects
from sds_training.augment.class_mix import class_mask
from sds_training.augment.depth_mix import depth_mask
from sds_training.augment.mix_config import AffineMixConfig, MixConfig
from sds_training.augment.objects import MovableObject
from sds_training.augment.paste import Paste, Placement, sample_linear, sample_nearest

KINDS = ('none', 'class', 'depth', 'affine')


class MixScene(NamedTuple):
    """A batch of pictures with all that is believed about them; one plan moves every part."""

    image: Tensor  # (B, 3, H, W) RGB in [0, 1]
    label: Tensor  # (B, H, W) int64 train ids, 255 = unlabelled
    confidence: Tensor  # (B, H, W) the label's probability: 1 where people drew it, 0 where void
    depth: Tensor  # (B, 1, H, W), one common scale for the whole batch


@dataclass(frozen=True)
class MixPlan:
    """Everything drawn for one batch."""

    kinds: tuple[str, ...]  # one of `KINDS` per picture: what was done, after fall-backs
    pastes: tuple[tuple[Paste, ...], ...]  # per picture, in the order they are laid

    def share(self, kind: str) -> float:
        """The share of pictures that this was done to."""
        return self.kinds.count(kind) / max(1, len(self.kinds))


def draw_mix(
    scene: MixScene,
    intrinsics: Tensor,
    config: MixConfig,
    generator: torch.Generator,
    giver_of: Sequence[int] | None = None,
    roads: Tensor | None = None,
) -> MixPlan:
    """Draw what each picture receives from its partner.

    Args:
        scene: the clean batch; its labels, confidence and depth decide which objects will do.
        intrinsics: (B, 3, 3), each picture's own pixels.
        config: probabilities and limits.
        generator: draws everything, on the CPU.
        giver_of: of which picture each of the first ones receives; the others only give.
        roads: (B, 4), the road in each camera's frame: unit vector down and, in units of depth,
            the distance to it; NaN where unknown. None: every camera looks along a level road.
    """
    if giver_of is None:
        giver_of = [(place + 1) % len(scene.image) for place in range(len(scene.image))]
    count = len(giver_of)
    shares = torch.tensor((config.none, config.class_mix, config.depth_mix, config.affine_mix))
    drawn = torch.multinomial(shares, count, replacement=True, generator=generator)
    wanted = [KINDS[kind] for kind in drawn.tolist()]
    givers = {giver_of[target] for target, kind in enumerate(wanted) if kind == 'affine'}
    if roads is None:
        roads = torch.full((len(intrinsics), 4), torch.nan)
    frames = _frames(scene, intrinsics, roads) if givers else []
    objects = _sure_objects(frames, givers, config.affine)
    pairs = []
    for target, kind in enumerate(wanted):
        source = giver_of[target]
        pastes: tuple[Paste, ...] = ()
        if kind == 'affine':
            pastes = _draw_affine(
                scene, frames, objects[source], (source, target), config, generator
            )
            kind = 'affine' if pastes else 'depth' if config.depth_mix else 'none'
        if kind == 'class':
            pastes = (_whole(source, class_mask(scene.label[source], generator)),)
        elif kind == 'depth':
            pastes = (_depth_paste(scene, source, target, config.depth_margin),)
        pairs.append((kind, pastes))
    kinds, pastes_of = zip(*pairs, strict=True)
    return MixPlan(kinds, pastes_of)


def apply_mix(scene: MixScene, plan: MixPlan) -> MixScene:
    """The pictures that receive, mixed; pastes are taken from `scene`, which stays as it is."""
    mixed = MixScene(*(part[: len(plan.kinds)].clone() for part in scene))
    for target, pastes in enumerate(plan.pastes):
        for paste in pastes:
            _lay(scene, mixed, target, paste)
    return mixed


def _lay(scene: MixScene, mixed: MixScene, target: int, paste: Paste) -> None:
    """Write one paste into one picture of `mixed`."""
    placement, source = paste.placement, paste.source
    rows, columns = placement.window
    image = sample_linear(scene.image[source], placement)
    confidence = sample_linear(scene.confidence[source, None], placement)[0]
    # Nearest: between a thing and what is behind it there is nothing at a depth in between.
    depth = sample_nearest(scene.depth[source, 0], placement, outside=0.0)
    alpha = paste.mask.to(image) if paste.alpha is None else paste.alpha
    mixed.image[target, :, rows, columns].lerp_(image, alpha)
    _overwrite(mixed.confidence[target, rows, columns], confidence, paste.mask)
    _overwrite(mixed.depth[target, 0, rows, columns], depth * placement.depth_factor, paste.mask)
    label = sample_nearest(scene.label[source], placement, outside=0)
    _overwrite(mixed.label[target, rows, columns], label, paste.mask)


def _overwrite(window: Tensor, values: Tensor, mask: Tensor) -> None:
    """Take `values` where `mask` is true; `window` is a view of the mixed batch."""
    window.copy_(torch.where(mask, values, window))


def _draw_affine(
    scene: MixScene,
    frames: list[Frame],
    objects: list[MovableObject],
    pair: tuple[int, int],
    config: MixConfig,
    generator: torch.Generator,
) -> tuple[Paste, ...]:
    """AffineMix's pastes for (source, target), with DepthMix underneath if chained."""
    source, target = pair
    receiver = frames[target]
    below: tuple[Paste, ...] = ()
    if config.chain:
        under = _depth_paste(scene, source, target, config.depth_margin)
        below = (under,)
        depth = torch.where(under.mask, scene.depth[source, 0], scene.depth[target, 0])
        receiver = receiver._replace(depth=depth.float().cpu().numpy())
    drawn = draw_objects(objects, frames[source], receiver, config.affine, generator)
    return below + tuple(each.to(scene.image.device) for each in drawn) if drawn else ()


def _depth_paste(scene: MixScene, source: int, target: int, margin: float) -> Paste:
    return _whole(source, depth_mask(scene.depth[source, 0], scene.depth[target, 0], margin))


def _whole(source: int, mask: Tensor) -> Paste:
    """A paste that covers the whole picture and moves nothing."""
    return Paste(source, Placement(top=0, left=0, height=mask.shape[0], width=mask.shape[1]), mask)


def _frames(scene: MixScene, intrinsics: Tensor, roads: Tensor) -> list[Frame]:
    """The parts of the scene that choosing objects reads, on the CPU."""
    planes = (scene.label.to(torch.uint8), scene.confidence.float(), scene.depth[:, 0].float())
    *host, at, below = _on_host(*planes, intrinsics, roads)
    views = map(_view, at.tolist(), below.tolist())
    together = enumerate(zip(*host, views, strict=True))
    return [Frame(index, *parts, *view) for index, (*parts, view) in together]


def _view(
    intrinsics: list[list[float]], road: list[float]
) -> tuple[tuple[float, float], float, float]:
    """Where the road vanishes, the focal length, and how far below the camera the road lies."""
    (_, _, u), (_, focal, v), _ = intrinsics
    _, down, ahead, height = road
    if not down > 0:  # NaN: nobody knows how the camera is mounted
        return (u, v), focal, math.nan
    return (u, v - focal * ahead / down), focal, height / down


def _on_host(*parts: Tensor) -> list[NDArray]:
    """All as arrays; a GPU writes them into pinned memory by itself, and is waited for once."""
    if parts[0].device.type != 'cuda':
        return [each.cpu().numpy() for each in parts]
    pinned = [torch.empty_like(each, device='cpu', pin_memory=True) for each in parts]
    for here, each in zip(pinned, parts, strict=True):
        here.copy_(each, non_blocking=True)
    torch.cuda.current_stream(parts[0].device).synchronize()
    return [each.numpy() for each in pinned]


def _sure_objects(
    frames: list[Frame], givers: Iterable[int], config: AffineMixConfig
) -> dict[int, list[MovableObject]]:
    """What each giver has to give; searched for on as many threads as torch may use."""
    numbers = sorted(givers)
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        found = threads.map(lambda number: frames[number].sure_objects(config), numbers)
        return dict(zip(numbers, found, strict=True))
