"""How much streets look like what a real camera sees: plain, or lifelike."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Style(NamedTuple):
    """What is drawn beyond plain streets; ways, houses and cameras do not depend on it, but for
    the exposure under heavy clouds."""

    detailed: bool = False  # cars have panes in painted pillars, bumpers, and lamps of many kinds
    mirrors: bool = False  # paint, glass and the hood mirror the street, not a plain sky
    queues: float = 0.0  # share of the drives close behind somebody
    bare: float = 0.0  # share of the broad-leaved trees without leaves
    heavy_clouds: float = 0.0  # share of the drives under clouds that are dark where thick
    no_holes: bool = False  # labels as people draw them: nothing is seen through a crown

    def details(self, rng: np.random.Generator) -> np.random.Generator | None:
        """What details are drawn with: apart from `rng`, so that all that follows stays."""
        return rng.spawn(1)[0] if self.detailed else None


PLAIN = Style()
LIFELIKE = Style(
    detailed=True, mirrors=True, queues=0.25, bare=0.2, heavy_clouds=0.4, no_holes=True
)
