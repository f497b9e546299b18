from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sds_perception.release import Release, ReleaseError, read_release, write_release
from sds_training.average import lineage, main, mean_release
from sds_training.export import halved
from sds_training.run.origin import read_origin


def grown(folder: Path, like: Release, seed: int, origin: str, shift: float = 0.0) -> Path:
    """A release trained further from the one of digest `origin`: every weight `shift` larger."""
    weights = {k: v + shift if v.is_floating_point() else v for k, v in like.weights.items()}
    made = {'trained': True, 'step': 7, 'started_from': {'release': origin, 'step': 1}}
    made['config'] = {'seed': seed}
    path = folder / f'{origin}_{seed}.safetensors'
    write_release(path, replace(like, weights=weights, provenance=made))
    return path


def test_the_mean_of_two_runs_lies_between_them(tmp_path: Path, metric_release: Release) -> None:
    runs = [grown(tmp_path, metric_release, seed, 'origin', 0.1 * seed) for seed in (0, 1)]
    output = tmp_path / 'mean.safetensors'
    assert main([str(output), *map(str, runs)]) == 0
    mean, first, second = (read_release(each) for each in (output, *runs))
    for name, weight in mean.weights.items():
        halfway = (first.weights[name].double() + second.weights[name].double()) / 2
        torch.testing.assert_close(weight.double(), halfway, rtol=1e-6, atol=1e-6)
    assert [each['release'] for each in mean.provenance['mean_of']] == [
        first.digest,
        second.digest,
    ]
    assert [each['seed'] for each in mean.provenance['mean_of']] == [0, 1]
    assert mean.provenance['scores'] == {}


def test_a_mean_is_as_precise_as_its_first_part(tmp_path: Path, metric_release: Release) -> None:
    first, second = (
        read_release(grown(tmp_path, metric_release, seed, 'origin')) for seed in (0, 1)
    )
    small = replace(first, weights=halved(first.weights))
    mean = mean_release([small, second])
    assert all(mean.weights[name].dtype == each.dtype for name, each in small.weights.items())


def test_a_mean_is_of_its_parents_family(tmp_path: Path, metric_release: Release) -> None:
    runs = [read_release(grown(tmp_path, metric_release, seed, 'origin')) for seed in (0, 1)]
    mean = tmp_path / 'mean.safetensors'
    write_release(mean, mean_release(runs))
    child = grown(tmp_path, metric_release, 2, read_release(mean).digest)
    assert lineage(read_release(mean))[1:] == ['origin']
    grandmean = mean_release([read_release(mean), read_release(child)])
    inner, outer = grandmean.provenance['mean_of']
    assert [each['seed'] for each in inner['mean_of']] == [0, 1] and outer['seed'] == 2


def test_networks_that_never_were_one_have_no_mean(
    tmp_path: Path, metric_release: Release, capsys: pytest.CaptureFixture
) -> None:
    strangers = [grown(tmp_path, metric_release, 0, origin) for origin in ('one', 'other')]
    assert main([str(tmp_path / 'mean.safetensors'), *map(str, strangers)]) == 2
    assert 'did not grow from the same network' in capsys.readouterr().err
    assert not (tmp_path / 'mean.safetensors').exists()


def test_states_of_one_config_on_two_data_sets_are_no_common_ancestor(
    tmp_path: Path, metric_release: Release
) -> None:
    def begun(weights: dict[str, Tensor]) -> list[str]:
        camera = asdict(metric_release.camera)
        passport = json.dumps({'camera': camera})
        state = {'networks': weights, 'config_digest': 'one', 'step': 3, 'passport': passport}
        config = {'stage': 'joint', 'network': {'name': 'tiny'}, 'pose': {}}
        config |= {'data': {'size': [128, 64]}}
        torch.save({**state, 'config': json.dumps(config)}, tmp_path / 'state.pt')
        origin = read_origin(str(tmp_path / 'state.pt'))
        made = replace(metric_release, provenance={'started_from': origin.passport})
        return lineage(made)[1:]

    weights = {'student.a': torch.ones(2, 3)}
    assert begun(weights) == begun(dict(weights)) != begun({'student.a': torch.zeros(2, 3)})


def test_what_a_start_itself_grew_from_is_an_ancestor_too(metric_release: Release) -> None:
    first = {'config_digest': 'c', 'step': 5, 'weights_sha256': 'oldest'}
    started = {'release': 'newer', 'step': 9, 'before': first}
    release = replace(metric_release, digest='own', provenance={'started_from': started})
    assert lineage(release) == ['own', 'newer', 'oldest']


@pytest.mark.parametrize(('config', 'step', 'related'), [('a', 3, True), ('b', 3, False),
                                                          ('a', 4, False)])  # fmt: skip
def test_where_older_versions_told_only_config_and_step_both_make_an_ancestor(
    metric_release: Release, config: str, step: int, related: bool
) -> None:
    one, other = (
        replace(metric_release, digest=digest, provenance={'started_from': origin})
        for digest, origin in (
            ('one', {'config_digest': 'a', 'step': 3}),
            ('other', {'config_digest': config, 'step': step}),
        )
    )
    assert bool(set(lineage(one)) & set(lineage(other))) == related


def test_the_camera_of_a_mean_lies_between_those_of_its_parts(
    tmp_path: Path, metric_release: Release
) -> None:
    first, second = (
        read_release(grown(tmp_path, metric_release, seed, 'origin')) for seed in (0, 1)
    )
    was = first.camera
    assert was is not None
    longer = replace(second, camera=replace(was, fx=1.02 * was.fx, fy=1.01 * was.fy))
    mean = mean_release([first, longer]).camera
    assert mean is not None and replace(mean, fx=was.fx, fy=was.fy) == was
    assert (mean.fx, mean.fy) == pytest.approx((1.01 * was.fx, 1.005 * was.fy))


def test_lenses_that_differ_have_no_mean(tmp_path: Path, metric_release: Release) -> None:
    first = read_release(grown(tmp_path, metric_release, 0, 'origin'))
    assert first.camera is not None
    camera = replace(first.camera, fy=1.1 * first.camera.fy)
    longer = replace(first, camera=camera, digest='other')
    with pytest.raises(ReleaseError, match='differ by 4.8 % in focal length, wanted at most 2 %'):
        mean_release([first, longer])


def test_a_mean_is_as_used_to_the_dark_as_any_of_its_parts(
    tmp_path: Path, metric_release: Release
) -> None:
    runs = [read_release(grown(tmp_path, metric_release, seed, 'origin')) for seed in (0, 1)]
    first, second = (replace(r, brightness=d) for r, d in zip(runs, (0.4, 0.3), strict=True))
    assert mean_release([first, second]).brightness == 0.3
    assert mean_release([first, runs[1]]).brightness == 0.4  # of the other it is not known
    assert mean_release(runs).brightness == 0


def test_a_mean_is_a_new_release_with_no_camera_where_a_part_has_none(
    tmp_path: Path, metric_release: Release
) -> None:
    runs = [read_release(grown(tmp_path, metric_release, seed, 'origin')) for seed in (0, 1)]
    assert mean_release(runs).digest == '' and mean_release(runs).camera == runs[0].camera
    relative = [replace(each, depth_kind='relative') for each in runs]
    assert mean_release([relative[0], replace(relative[1], camera=None)]).camera is None


@pytest.mark.parametrize(
    ('change', 'named'),
    [({'depth_scale': 2.0}, 'depth_scale'), ({'depth_kind': 'relative'}, 'depth_kind')],
)
def test_what_means_something_else_is_named(
    tmp_path: Path, metric_release: Release, change: dict, named: str
) -> None:
    first = read_release(grown(tmp_path, metric_release, 0, 'origin'))
    with pytest.raises(ReleaseError, match=f'differ in {named}'):
        mean_release([first, replace(first, **change)])


def test_of_networks_that_differ_the_fields_that_do_are_named(
    tmp_path: Path, metric_release: Release
) -> None:
    first = read_release(grown(tmp_path, metric_release, 0, 'origin'))
    other = replace(first, network_config=replace(first.network_config, ccam_activation='tanh'))
    told = r'differ in network_config \(ccam_activation: sigmoid and tanh\), wanted the same'
    with pytest.raises(ReleaseError, match=told):
        mean_release([first, other])


def test_one_release_alone_is_refused(tmp_path: Path, metric_release: Release) -> None:
    with pytest.raises(ReleaseError, match='wanted two or more'):
        mean_release([metric_release])


def test_a_release_that_is_there_already_is_never_replaced(
    tmp_path: Path, metric_release: Release, capsys: pytest.CaptureFixture
) -> None:
    runs = [grown(tmp_path, metric_release, seed, 'origin', 0.1 * seed) for seed in (0, 1, 2)]
    before = runs[0].read_bytes()
    assert main([*map(str, runs)]) == 2  # OUTPUT was forgotten
    assert f'{runs[0]} exists already' in capsys.readouterr().err
    assert runs[0].read_bytes() == before


def test_a_folder_that_is_not_there_is_named(
    tmp_path: Path, metric_release: Release, capsys: pytest.CaptureFixture
) -> None:
    run = grown(tmp_path, metric_release, 0, 'origin')
    assert main([str(tmp_path / 'no/mean.safetensors'), str(run), str(run)]) == 2
    told = f'{tmp_path / "no"} is not a folder, wanted one to write mean.safetensors to\n'
    assert capsys.readouterr().err == f'sds-average: {told}'


def test_a_release_given_twice_is_refused(tmp_path: Path, metric_release: Release) -> None:
    release = read_release(grown(tmp_path, metric_release, 0, 'origin'))
    with pytest.raises(ReleaseError, match=f'release {release.digest[:12]} is given twice'):
        mean_release([release, release])
