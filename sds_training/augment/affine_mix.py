"""AffineMix: movable things re-placed at another depth, with matching size and occlusion.

Source: Semantics-Depth-Symbiosis (arXiv 2206.10562) names the idea; geometry and algorithm are our
reconstruction, method.md 3.1 and 3.2. Choosing needs connected components and happens on the CPU.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from sds_perception.labels import SKY
from sds_training.augment.mix_config import AffineMixConfig
from sds_training.augment.objects import MovableObject, components, movable_objects
from sds_training.augment.paste import Paste, Placement, sample_nearest

FEATHER_SIGMA_PX = 1.0
SHARP = (0.6, 1.67)  # source pixels a pixel: below visibly blurred, above aliased


class Frame(NamedTuple):
    """What the choice of objects reads of one picture, on the CPU."""

    index: int  # its place in the batch
    label: NDArray[np.uint8]  # (H, W) train ids
    confidence: NDArray[np.float32]  # (H, W), probability of the label
    depth: NDArray[np.float32]  # (H, W)
    vanishing_px: tuple[float, float]  # (u, v) where a level road ahead meets the horizon
    focal_px: float
    drop_m: float = math.nan  # the road below the camera, along the picture's columns; NaN unknown

    def sure_objects(self, config: AffineMixConfig) -> list[MovableObject]:
        """The movable things of the right size whose label is sure enough."""
        things = movable_objects(self.label, config.area_range)
        return [
            each for each in things if each.cut(self.confidence).mean() >= config.min_confidence
        ]


def draw_objects(
    objects: list[MovableObject],
    source: Frame,
    target: Frame,
    config: AffineMixConfig,
    generator: torch.Generator,
) -> tuple[Paste, ...]:
    """Choose some of `objects` and where they go in `target`; empty if nothing will do.

    Args:
        objects: the source's, from `Frame.sure_objects`.
        source: the frame that gives.
        target: the frame that receives; may be the same one.
        config: which objects, how far, and what is rejected.
        generator: draws objects, factor and shift, on the CPU.
    """
    if not objects:
        return ()
    # The percentiles only reject; a sixteenth of the pixels tells them well enough.
    solid = target.depth[::4, ::4][target.label[::4, ::4] != SKY]
    if not solid.size:
        return ()
    bounds = np.percentile(solid, config.percentiles)
    factors = _factors(source, target, config)
    for _ in range(1 + config.retries):
        chosen, motion = _draw(objects, source, target, factors, config, generator)
        moves = [(each, _grounded(each, motion, source, target)) for each in chosen]
        moves = [move for move in moves if not _shows_a_cut(*move)]
        if moves and _acceptable(moves, source, bounds):
            pastes = (_place(*move, source, target, config) for move in moves)
            visible = tuple(each for each in pastes if each)
            if visible:
                return visible
    return ()


def _factors(source: Frame, target: Frame, config: AffineMixConfig) -> tuple[float, float]:
    """Least and greatest depth factor that leave an object sharp behind the new lens."""
    low, high = config.scale_range
    longer = target.focal_px / source.focal_px
    low = min(max(low, SHARP[0] * longer), high)
    return low, max(min(high, SHARP[1] * longer), low)


def _draw(
    objects: list[MovableObject],
    source: Frame,
    target: Frame,
    factors: tuple[float, float],
    config: AffineMixConfig,
    generator: torch.Generator,
) -> tuple[list[MovableObject], Placement]:
    """One to `max_objects` objects and the motion they share, as a placement of the whole picture.

    Rows move relative to both horizons, and sizes follow both focal lengths, so that feet stay on
    the ground also between crops, lenses and cameras that look up or down. Columns keep the
    source's: a move sideways is free.
    """
    count = 1 + int(torch.randint(config.max_objects, (), generator=generator))
    order = torch.randperm(len(objects), generator=generator)[:count]
    low, high = (math.log(bound) for bound in factors)
    u = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
    height, width = source.depth.shape
    column = source.vanishing_px[0] + (2 * u[1] - 1) * config.max_shift * width
    factor = math.exp(low + (high - low) * u[0])
    motion = Placement(
        top=0,
        left=0,
        height=height,
        width=width,
        scale=factor * source.focal_px / target.focal_px,
        depth_factor=factor,
        centre_px=source.vanishing_px,
        moved_centre_px=(column, target.vanishing_px[1]),
    )
    return [objects[place] for place in order.tolist()], motion


def _grounded(thing: MovableObject, motion: Placement, source: Frame, target: Frame) -> Placement:
    """The motion of one object, lower by what the target's camera hangs higher than its own."""
    depth_m = motion.depth_factor * float(np.median(thing.cut(source.depth)))
    down_px = target.focal_px * (target.drop_m - source.drop_m) / depth_m
    if not math.isfinite(down_px):  # nobody knows how high they hang: alike
        return motion
    column, row = motion.moved_centre_px
    return replace(motion, moved_centre_px=(column, row + down_px))


def _shows_a_cut(thing: MovableObject, motion: Placement) -> bool:
    """Whether a side of the picture that cut the object off would come to lie in the street."""
    for axis, first, count, size in _spans(thing, motion):
        near, far = _moved(first, count, motion, axis)[[0, -1]]
        if (first == 0 and near > 1) or (first + count == size and far < size - 2):
            return True
    return False


def _acceptable(
    moves: list[tuple[MovableObject, Placement]],
    source: Frame,
    bounds: NDArray[np.floating],
) -> bool:
    """Whether the moved objects are as deep as the target is somewhere, and mostly in it."""
    depth = np.concatenate([move.depth_factor * each.cut(source.depth) for each, move in moves])
    if not bounds[0] <= np.median(depth) <= bounds[1]:
        return False
    inside = sum(_pixels_inside(*move) for move in moves)
    return 2 * inside >= len(depth)


def _pixels_inside(thing: MovableObject, motion: Placement) -> int:
    """How many of an object's own pixels lie in the picture after the move."""
    rows = _moved(thing.top, thing.mask.shape[0], motion, axis=1)
    columns = _moved(thing.left, thing.mask.shape[1], motion, axis=0)
    row_in = (rows >= -0.5) & (rows < motion.height - 0.5)
    column_in = (columns >= -0.5) & (columns < motion.width - 0.5)
    return int(thing.mask[np.ix_(row_in, column_in)].sum())


def _moved(first: float, count: int, motion: Placement, axis: int) -> NDArray[np.floating]:
    """Where `count` source rows (axis 1) or columns (axis 0) from `first` on come to lie."""
    position = first + np.arange(count) - motion.centre_px[axis]
    return motion.moved_centre_px[axis] + position / motion.scale


def _place(
    thing: MovableObject,
    motion: Placement,
    source: Frame,
    target: Frame,
    config: AffineMixConfig,
) -> Paste | None:
    """The object where it is seen in the target, or None if next to nothing of it is."""
    placement = _rectangle(thing, motion)
    if placement.height <= 0 or placement.width <= 0:
        return None
    u, v = motion.centre_px
    from_cutout = replace(placement, centre_px=(u - thing.left, v - thing.top))
    moved = sample_nearest(torch.from_numpy(thing.mask), from_cutout, outside=False).numpy()
    # Nearest, as the mask: blended with the sky behind it, the edge of a thing would lie far away.
    depth = sample_nearest(torch.from_numpy(source.depth), placement, outside=0.0).numpy()
    limit = target.depth[placement.window] * (1 + config.tolerance)
    seen = _without_fragments(
        moved & (motion.depth_factor * depth <= limit), config.min_visible * moved.sum()
    )
    if not seen.any():
        return None
    return Paste(
        source=source.index,
        placement=placement,
        mask=torch.from_numpy(seen),
        alpha=torch.from_numpy(_feathered(seen)),
    )


def _rectangle(thing: MovableObject, motion: Placement) -> Placement:
    """The target's pixels that the moved object can cover, cut off at the picture's border."""
    edges = []
    for axis, first, count, size in _spans(thing, motion):
        ends = _moved(first - 0.5, count + 1, motion, axis)[[0, -1]]
        edges.append((max(0, math.floor(ends[0])), min(size, math.ceil(ends[1]) + 1)))
    (top, bottom), (left, right) = edges
    return replace(motion, top=top, left=left, height=bottom - top, width=right - left)


def _spans(thing: MovableObject, motion: Placement) -> tuple[tuple[int, int, int, int], ...]:
    """The object's rows, then its columns: axis, first, count, and the picture's size along it."""
    return (
        (1, thing.top, thing.mask.shape[0], motion.height),
        (0, thing.left, thing.mask.shape[1], motion.width),
    )


def _without_fragments(mask: NDArray[np.bool_], least: float) -> NDArray[np.bool_]:
    """The mask's connected parts of at least `least` pixels."""
    kept = np.zeros_like(mask)
    for part in components(mask, (least / mask.size, 1.0)):
        height, width = part.mask.shape
        kept[part.top : part.top + height, part.left : part.left + width] |= part.mask
    return kept


def _feathered(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The mask's Gaussian blur inside the mask, zero outside.

    Outside, a blurred edge would show the source's background around the object, and the object
    on top of nearer things that hide it.
    """
    hard = mask.astype(np.float32)
    soft = cv2.GaussianBlur(hard, (0, 0), FEATHER_SIGMA_PX, borderType=cv2.BORDER_REPLICATE)
    return soft * hard
