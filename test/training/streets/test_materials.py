"""Laws of streets of any material: looks differ, the street and its truth do not."""

from __future__ import annotations

import numpy as np
import pytest

from sds_training.streets.drive import Drive, of_any_material
from sds_training.streets.materials import draw_materials
from sds_training.streets.mesh import Mesh
from sds_training.streets.textures import TEXTURES


@pytest.fixture(scope='module')
def odd_drive(rendered_drive: Drive) -> Drive:
    return of_any_material(rendered_drive)


def kinds_of(mesh: Mesh) -> set[tuple[int, int]]:
    return set(zip(mesh.label.tolist(), mesh.texture.tolist(), strict=True))


def test_another_material_leaves_labels_depth_and_objects_as_they_are(
    rendered_drive: Drive, odd_drive: Drive
) -> None:
    own, other = rendered_drive.render(1), odd_drive.render(1)
    assert np.array_equal(own.label_ids, other.label_ids)
    assert np.array_equal(own.instance_ids, other.instance_ids)
    assert np.array_equal(own.depth_m, other.depth_m, equal_nan=True)
    assert np.abs(own.image.astype(int) - other.image).mean() > 10


def test_the_materials_of_a_drive_are_always_the_same(rendered_drive: Drive) -> None:
    once, again = (of_any_material(rendered_drive).render(1).image for _ in range(2))
    assert np.array_equal(once, again)


def test_what_moves_is_made_of_other_materials_too(odd_drive: Drive) -> None:
    own = [mover.mesh(odd_drive.path, 0) for mover in odd_drive.movers]
    assert own
    for before, after in zip(own, odd_drive._moved(0), strict=True):
        assert np.array_equal(before.corners, after.corners)
        assert not np.array_equal(before.tint, after.tint)


def test_surfaces_of_one_kind_wear_one_texture_and_keep_their_differences(
    rendered_drive: Drive,
) -> None:
    before = rendered_drive.world
    after = draw_materials(np.random.default_rng(0)).on(before)
    for label, texture in kinds_of(before):
        kind = (before.label == label) & (before.texture == texture)
        assert len(np.unique(after.texture[kind])) == 1
        tints, now = (np.unique(each.tint[kind], axis=0) for each in (before, after))
        assert len(now) <= len(tints)
    assert len(np.unique(after.tint, axis=0)) > len(kinds_of(before))


def test_half_of_the_kinds_wear_another_texture_and_all_colours_are_reflectances(
    rendered_drive: Drive,
) -> None:
    materials = draw_materials(np.random.default_rng(1))
    own = np.arange(len(TEXTURES))
    assert abs((materials.texture != own).mean() - 0.5) < 0.1
    assert materials.texture.min() >= 0 and materials.texture.max() < len(TEXTURES)
    tint = materials.on(rendered_drive.world).tint
    assert tint.dtype == np.float32 and tint.min() > 0 and tint.max() <= 1


def test_sun_and_weather_stay_under_any_sky(rendered_drive: Drive, odd_drive: Drive) -> None:
    own, other = rendered_drive.light, odd_drive.light
    assert np.array_equal(own.sun, other.sun) and own.haze_per_m == other.haze_per_m
    for name in ('zenith', 'horizon', 'cloud_light', 'ground'):
        color = getattr(other, name)
        assert color.dtype == np.float32 and color.min() > 0
        assert not np.array_equal(color, getattr(own, name))
