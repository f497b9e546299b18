from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from sds_perception.brightness import intensity
from sds_perception.camera import Camera
from sds_perception.labels import TRAIN_ID_FROM_LABEL_ID, UNLABELLED
from sds_training.data.cache import CacheError
from sds_training.data.cityscapes import DataError
from sds_training.data.clips import training_pools
from sds_training.data.config import DataConfig
from sds_training.data.files import read_picture
from sds_training.data.loading import StepBatches, load_sample, open_files, place_in_pool
from sds_training.data.samples import Batch, Sample


@pytest.fixture
def config(street) -> DataConfig:
    """The street's own size, so that pixels can be compared with the files."""
    return DataConfig(
        root=str(street.root), size=(64, 32), crop=(24, 16), labels=4, use_cache=False
    )


def drawn(config: DataConfig, seed: int, first: int, last: int, *place: int) -> Iterator[Batch]:
    """The batches of some steps."""
    return StepBatches(config, training_pools(config), seed, *place).between(first, last)


def same(one: Batch, other: Batch) -> bool:
    return all(
        torch.equal(a.nan_to_num(-1), b.nan_to_num(-1)) if torch.is_tensor(a) else a == b
        for mine, theirs in zip(one, other, strict=True)
        for a, b in zip(mine, theirs, strict=True)
    )


def test_shapes_and_types_are_those_the_step_relies_on(config) -> None:
    batch = next(drawn(replace(config, labelled_batch=3), 0, 0, 1))
    samples = batch.labelled
    assert samples.image.shape == (3, 3, 16, 24) and samples.image.dtype == torch.uint8
    assert samples.neighbours.shape == (3, 2, 3, 16, 24)
    assert samples.label.shape == (3, 16, 24) and samples.label.dtype == torch.uint8
    assert samples.intrinsics.shape == (3, 3, 3) and samples.driven.shape == (3, 2, 4, 4)
    assert samples.has_neighbours.dtype == samples.labelled.dtype == torch.bool
    assert len(samples.names) == 3 and samples.labelled.all()
    assert samples.image.is_contiguous(memory_format=torch.channels_last)


def test_going_on_at_step_k_gives_the_batches_of_never_stopping(config) -> None:
    whole = list(drawn(config, 5, 0, 9))
    resumed = list(drawn(config, 5, 4, 9))
    assert len(whole) == 9 and len(resumed) == 5
    assert all(same(one, other) for one, other in zip(whole[4:], resumed, strict=True))
    assert not same(whole[0], next(drawn(config, 6, 0, 1)))


def test_loader_processes_change_nothing(config) -> None:
    here = list(drawn(config, 5, 2, 6))
    there = list(drawn(replace(config, workers=2), 5, 2, 6))
    assert all(same(one, other) for one, other in zip(here, there, strict=True))


def test_a_bad_file_is_the_same_sentence_whoever_read_it_and_leaves_no_worker_behind(
    config, street
) -> None:
    clip = next(c for c in training_pools(config).labelled if c.label)
    whole = clip.label.read_bytes()
    clip.label.write_bytes(whole[:60])
    said = []
    for workers in (0, 2):
        try:  # pytest.raises would keep the error, and that the workers
            list(drawn(replace(config, workers=workers), 5, 0, 6))
        except DataError as problem:
            said.append(str(problem))
        else:
            pytest.fail('the file was read')
        assert not multiprocessing.active_children()
    clip.label.write_bytes(whole)
    assert said[0] == said[1] and str(clip.label) in said[0]


@pytest.mark.parametrize('number', range(4))
def test_a_label_of_another_size_than_its_picture_is_named_whichever_it_is(
    config, street, number: int
) -> None:
    everything = replace(config, labels='all', labelled_batch=8)
    clip = training_pools(everything).labelled[2 * number]
    cv2.imwrite(str(clip.label), np.full((64, 32), 7, np.uint8))
    told = f'{clip.label} is 32x64, its picture is 64x32'
    with pytest.raises(DataError, match=told):
        next(drawn(everything, 0, 0, 1))


def test_a_neighbour_of_another_size_is_never_stretched_over_the_frame(config, street) -> None:
    every = replace(config, unlabelled_batch=0, labels='all', labelled_batch=8)
    clip = next(each for each in training_pools(every).labelled if each.neighbours)
    cv2.imwrite(str(clip.neighbours[1]), np.zeros((24, 64, 3), np.uint8))
    told = f'{clip.neighbours[1]} is 64x24, the frame beside it, {clip.image}, is 64x32'
    with pytest.raises(DataError, match=told):
        next(drawn(every, 0, 0, 1))


def test_two_processes_share_the_batch_that_one_would_draw(config) -> None:
    double = replace(config, labelled_batch=4, unlabelled_batch=4)
    one = list(drawn(double, 1, 0, 5))
    ranks = [list(drawn(config, 1, 0, 5, rank, 2)) for rank in (0, 1)]
    for whole, *parts in zip(one, *ranks, strict=True):
        for half in ('labelled', 'unlabelled'):
            ours = getattr(whole, half)
            theirs = [getattr(part, half) for part in parts]
            assert ours.names == theirs[0].names + theirs[1].names
            assert torch.equal(ours.image, torch.cat([part.image for part in theirs]))
            assert torch.equal(ours.intrinsics, torch.cat([part.intrinsics for part in theirs]))


@pytest.mark.parametrize('size', [1, 5, 7])
def test_every_epoch_visits_every_frame_once_in_a_new_order(size: int) -> None:
    walk = [place_in_pool(size, (0, 1), place) for place in range(3 * size)]
    epochs = [walk[start : start + size] for start in range(0, 3 * size, size)]
    assert all(sorted(epoch) == list(range(size)) for epoch in epochs)
    if size > 4:
        assert epochs[0] != epochs[1]


def test_labels_that_were_not_chosen_never_reach_a_batch(config) -> None:
    chosen = set(training_pools(config).split.labelled)
    assert len(chosen) == 4
    for batch in drawn(config, 0, 0, 12):
        for name, labelled, label in zip(
            batch.unlabelled.names, batch.unlabelled.labelled, batch.unlabelled.label, strict=True
        ):
            assert bool(labelled) == (name in chosen)
            assert labelled or bool((label == UNLABELLED).all())


def test_a_batch_shows_the_file_its_label_its_neighbours_and_its_camera(street, config) -> None:
    whole = replace(config, crop=(64, 32), labels='all', flip_probability=1.0, labelled_batch=8)
    samples = next(drawn(whole, 0, 0, 1)).labelled
    row = samples.names.index('aachen_000002_000019')
    layout_image = street.root / 'leftImg8bit/train/aachen/aachen_000002_000019_leftImg8bit.png'
    earlier = street.root / (
        'leftImg8bit_sequence/train/aachen/aachen_000002_000018_leftImg8bit.png'
    )
    picture = torch.from_numpy(read_picture(layout_image)).permute(2, 0, 1)
    assert torch.equal(samples.image[row], picture.flip(-1))
    assert torch.equal(
        samples.neighbours[row, 0],
        torch.from_numpy(read_picture(earlier)).permute(2, 0, 1).flip(-1),
    )
    ids = torch.from_numpy(
        TRAIN_ID_FROM_LABEL_ID[street._noise(samples.names[row], (32, 64)) % 34]
    )
    assert torch.equal(samples.label[row], ids.flip(-1))
    camera = Camera(50.0, 48.0, 31.0, 15.0, 64, 32).flipped()
    assert torch.equal(samples.intrinsics[row], torch.tensor(camera.matrix, dtype=torch.float32))


def test_a_frame_without_neighbours_repeats_itself_and_says_so(config) -> None:
    whole = replace(config, labels='all', labelled_batch=8)
    samples = next(drawn(whole, 0, 0, 1)).labelled
    for row, name in enumerate(samples.names):
        alone = name.startswith('kiel')
        assert bool(samples.has_neighbours[row]) != alone
        assert torch.equal(samples.image[row], samples.neighbours[row, 0]) == alone
        assert bool(samples.driven[row].isnan().all()) == alone


def test_the_distance_travelled_is_speed_times_time(config) -> None:
    apart = replace(config, neighbour_gap=2, frame_period_s=0.1, labels='all', labelled_batch=8)
    driven = next(drawn(apart, 0, 0, 1)).labelled.driven
    known = driven[~driven.isnan().any(dim=(2, 3)).any(dim=1)]
    assert len(known) == 6  # snippets
    ahead = torch.tensor((10.0 * 0.2, -10.0 * 0.2))  # of the earlier camera, then of the later
    torch.testing.assert_close(known[:, :, 2, 3], ahead.expand(6, 2))


def test_clips_without_labels_and_labels_without_clips_learn_from_one_folder(city_folder) -> None:
    city_folder.image('cam_000000_000001')
    city_folder.label('cam_000000_000001')
    city_folder.sequence([f'kitti_000000_{n:06d}' for n in range(6)])
    city_folder.camera('kitti_000000_000004')
    config = DataConfig(
        root=str(city_folder.root),
        size=(32, 16),
        crop=(32, 16),
        labelled_batch=1,
        unlabelled_batch=4,
        extra_unlabelled='all',
        extra_depth_only=True,
        pool_includes_labelled=False,
        use_cache=False,
    )
    batch = next(drawn(config, 0, 0, 1))
    assert sorted(batch.unlabelled.names) == [f'kitti_000000_{n:06d}' for n in range(1, 5)]
    assert batch.unlabelled.depth_only.all() and not batch.labelled.depth_only.any()
    assert batch.unlabelled.has_neighbours.all() and not batch.unlabelled.labelled.any()
    assert batch.labelled.labelled.all() and not batch.labelled.has_neighbours.any()


def test_pictures_of_another_shape_keep_their_aspect_and_their_camera(city_folder) -> None:
    """A 64x32 frame covering 16x16 is 32x16; focal lengths halve alike."""
    city_folder.labelled_snippet('aachen', 0)
    config = DataConfig(root=str(city_folder.root), size=(16, 16), crop=(16, 16), use_cache=False)
    intrinsics = next(drawn(config, 0, 0, 1)).labelled.intrinsics
    torch.testing.assert_close(intrinsics[:, 0, 0], torch.tensor([25.0, 25.0]))
    torch.testing.assert_close(intrinsics[:, 1, 1], torch.tensor([24.0, 24.0]))


def test_half_a_batch_may_be_empty(config) -> None:
    batch = next(drawn(replace(config, labelled_batch=0), 0, 0, 1))
    assert batch.labelled.image.shape == (0, 3, 16, 24) and batch.labelled.names == []
    assert batch.to('cpu').unlabelled.image.shape == (2, 3, 16, 24)


def test_training_without_the_cache_is_refused_with_the_command_to_run(config) -> None:
    with pytest.raises(CacheError, match='run sds-prepare'):
        next(drawn(replace(config, use_cache=True), 0, 0, 1))


@pytest.mark.parametrize(
    ('field', 'value'),
    [
        ('crop', (4096, 16)),
        ('flip_probability', 1.5),
        ('scale_range', (2.0, 1.0)),
        ('neighbour_gap', 0),
        ('least_travel_m', -0.1),
        ('fit', 'letterbox'),
        ('frame_period_s', 0.0),
        ('extra_depth_only', True),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(DataError, match=f'data.{field} is'):
        DataConfig(**{field: value})


def test_a_dark_frame_and_its_neighbours_are_raised_alike_and_no_other_is(config) -> None:
    pools = training_pools(config)
    files = open_files(config, pools.clips)
    clip = next(each for each in pools.clips if each.neighbours)
    found = intensity(files.read(clip.image).pixels)

    def loaded(brightness: float) -> Sample:
        rng = np.random.default_rng(0)
        return load_sample(clip, files, config, rng, brightness=brightness)

    plain, bright, dark = loaded(0.0), loaded(0.9 * found), loaded(found**0.8)
    np.testing.assert_array_equal(plain.image, bright.image)
    pairs = zip(plain.neighbours, dark.neighbours, strict=True)
    for before, after in ((plain.image, dark.image), *pairs):
        wanted = 255 * (before / 255) ** 0.8
        assert np.abs(after - wanted).max() < 2 < np.abs(after - before.astype(float)).max()


def test_batches_show_frames_as_bright_as_they_are_told(config) -> None:
    pools = training_pools(config)
    plain = next(StepBatches(config, pools, 0).between(0, 1)).unlabelled.image.float().mean()
    raised = (
        next(StepBatches(config, pools, 0, brightness=0.9).between(0, 1))
        .unlabelled.image.float()
        .mean()
    )
    assert raised > plain + 5
