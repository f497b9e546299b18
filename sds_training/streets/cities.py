"""Invented cities: how streets, houses and greenery tend to look in each of them."""

from __future__ import annotations

from typing import NamedTuple

Color = tuple[float, float, float]


class City(NamedTuple):
    """A city's habits; colours are linear reflectances, probabilities lie in 0..1."""

    name: str
    facades: tuple[tuple[str, Color], ...]  # texture and tint
    floors: tuple[int, int]
    pitched_roofs: float
    gardens: float
    verges: float
    trams: float
    roof: Color
    leaf: Color
    paving: str


_SAND, _CREAM, _WHITE = (0.56, 0.44, 0.3), (0.66, 0.58, 0.42), (0.7, 0.69, 0.65)
_GREY, _SLATE, _RED = (0.4, 0.4, 0.39), (0.22, 0.24, 0.27), (0.36, 0.15, 0.1)
_ROSE, _OCHRE, _BLUE = (0.55, 0.33, 0.28), (0.55, 0.38, 0.16), (0.33, 0.42, 0.52)
_MINT, _BROWN = (0.42, 0.52, 0.42), (0.27, 0.17, 0.11)

CITIES: tuple[City, ...] = (
    City(
        'altbruck',
        (('plaster', _CREAM), ('plaster', _ROSE), ('plaster', _OCHRE), ('stones', _SAND)),
        (3, 6), 0.6, 0.1, 0.3, 0.5, (0.32, 0.13, 0.08), (0.13, 0.2, 0.05), 'cobbles',
    ),
    City(
        'brickford',
        (('brick', _RED), ('brick', _BROWN), ('brick', _SAND), ('plaster', _WHITE)),
        (2, 4), 0.7, 0.5, 0.4, 0.15, (0.16, 0.14, 0.14), (0.1, 0.17, 0.06), 'slabs',
    ),
    City(
        'corvale',
        (('panels', _GREY), ('panels', _WHITE), ('panels', _BLUE), ('plaster', _SLATE)),
        (4, 10), 0.05, 0.15, 0.5, 0.4, (0.2, 0.2, 0.2), (0.12, 0.19, 0.07), 'slabs',
    ),
    City(
        'dunhaven',
        (('plaster', _WHITE), ('plaster', _MINT), ('planks', _BLUE), ('planks', _CREAM)),
        (1, 3), 0.9, 0.8, 0.6, 0.05, (0.28, 0.16, 0.12), (0.16, 0.22, 0.05), 'slabs',
    ),
    City(
        'eastport',
        (('panels', _SLATE), ('ribbed', _GREY), ('brick', _BROWN), ('ribbed', _BLUE)),
        (1, 4), 0.15, 0.3, 0.3, 0.25, (0.25, 0.25, 0.26), (0.14, 0.18, 0.07), 'panels',
    ),
    City(
        'fernwald',
        (('plaster', _SAND), ('stones', _GREY), ('plaster', _CREAM), ('planks', _BROWN)),
        (2, 4), 0.8, 0.6, 0.8, 0.3, (0.3, 0.12, 0.07), (0.1, 0.19, 0.04), 'cobbles',
    ),
)  # fmt: skip
