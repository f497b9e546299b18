"""The textures surfaces can wear, by name, and the size of one repeat in metres."""

from __future__ import annotations

TEXTURE_SIZE_M: dict[str, float] = {
    'plain': 4.0,
    'asphalt': 6.0,
    'slabs': 2.4,
    'cobbles': 1.6,
    'brick': 1.6,
    'plaster': 5.0,
    'panels': 6.0,
    'grass': 3.0,
    'soil': 4.0,
    'leaves': 1.8,
    'bark': 1.5,
    'roof': 2.0,
    'planks': 1.2,
    'ribbed': 1.0,
    'glass': 7.0,
    'cloth': 0.8,
    'paint': 3.0,
    'stones': 1.8,
}
TEXTURE_NAMES: tuple[str, ...] = tuple(TEXTURE_SIZE_M)
TEXTURE_ID: dict[str, int] = {name: number for number, name in enumerate(TEXTURE_NAMES)}
