"""One file carries everything, and nothing that is not exactly such a file gets in."""

from __future__ import annotations

import json
import pickle
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sds_perception import release as release_module
from sds_perception.network import NETWORKS
from sds_perception.release import (
    CLASS_TABLE,
    DEMO,
    Release,
    ReleaseError,
    named_release,
    read_release,
    require_new,
    untrained_release,
    write_release,
)


@pytest.fixture
def path(tmp_path: Path, metric_release: Release) -> Path:
    """A good release on disk."""
    path = tmp_path / 'good.safetensors'
    write_release(path, metric_release)
    return path


def refusal(path: Path, named: str) -> None:
    """Reading is refused in one line that names the file and the fault."""
    with pytest.raises(ReleaseError, match=named) as refused:
        read_release(path)
    assert str(path) in str(refused.value)
    assert '\n' not in str(refused.value)


def forge(path: Path, passport: object, weights: dict[str, torch.Tensor]) -> None:
    """A file whose digest is right and whose content is not: only checks beyond it can tell."""
    text = passport if isinstance(passport, str) else json.dumps(passport, sort_keys=True)
    digest = release_module.weights_digest(weights, text)
    save_file(weights, path, metadata={'sds': text, 'digest': digest})


def test_what_was_written_is_what_is_read(path, metric_release):
    found = read_release(path)
    assert replace(found, weights={}, digest='') == replace(metric_release, weights={})
    assert found.weights.keys() == metric_release.weights.keys()
    for name, tensor in found.weights.items():
        assert torch.equal(tensor, metric_release.weights[name])
        assert tensor.dtype == metric_release.weights[name].dtype


@torch.no_grad()
def test_the_network_of_a_release_says_what_the_trained_one_said(path, tiny_network):
    image = torch.rand(1, 3, 64, 128)
    network = read_release(path).network()
    assert not network.training
    assert torch.equal(network(image).logits, tiny_network(image).logits)


def test_the_digest_is_returned_read_back_and_changes_with_any_weight(tmp_path, metric_release):
    path = tmp_path / 'one.safetensors'
    digest = write_release(path, metric_release)
    assert read_release(path).digest == digest
    assert write_release(path, metric_release) == digest
    weights = {name: tensor.clone() for name, tensor in metric_release.weights.items()}
    weights['semantic_head.score.bias'][3] += 1e-6
    assert write_release(path, replace(metric_release, weights=weights)) != digest
    assert write_release(path, replace(metric_release, depth_scale=1.0)) != digest


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    refusal(tmp_path / 'nowhere.safetensors', 'does not exist')
    refusal(tmp_path, 'not a file')


@pytest.mark.parametrize('kept', [0, 4, 1000, -1])
def test_a_truncated_file_is_refused(path, kept):
    path.write_bytes(path.read_bytes()[:kept])
    refusal(path, 'damaged or not a safetensors')


@pytest.mark.parametrize('place', [0.3, 0.6, 0.9999])
def test_one_flipped_bit_anywhere_in_the_weights_is_refused(path, place):
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)
    refusal(path, 'was altered')


def test_an_altered_passport_is_refused(path):
    content = path.read_bytes()
    assert content.count(b'depth_scale\\": 1.7') == 1
    path.write_bytes(content.replace(b'depth_scale\\": 1.7', b'depth_scale\\": 9.7'))
    refusal(path, 'was altered')


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_somebody_elses_safetensors_file_is_refused(tmp_path, dtype):
    path = tmp_path / 'foreign.safetensors'
    save_file({'a': torch.zeros(3, dtype=dtype)}, path)
    refusal(path, 'without an SDS passport')
    save_file({'a': torch.zeros(3, dtype=dtype)}, path, metadata={'sds': '{}', 'digest': 'ab'})
    refusal(path, 'was altered')


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return (Path.touch, (self.trace,))


def test_a_pickle_is_refused_without_running_what_is_in_it(tmp_path):
    path, trace = tmp_path / 'bomb.safetensors', tmp_path / 'exploded'
    path.write_bytes(pickle.dumps(Bomb(trace)))
    refusal(path, 'damaged or not a safetensors')
    torch.save({'weights': Bomb(trace)}, path)
    refusal(path, 'damaged or not a safetensors')
    assert not trace.exists()
    pickle.loads(pickle.dumps(Bomb(trace)))
    assert trace.exists()  # the bomb was live


def test_another_class_table_is_refused(path, metric_release):
    renamed = [['street', CLASS_TABLE[0][1]], *CLASS_TABLE[1:]]
    for classes in (renamed, CLASS_TABLE[::-1], CLASS_TABLE[:-1]):
        forge(path, metric_release.passport() | {'classes': classes}, load_file(path))
        refusal(path, 'another class table')


def test_weights_that_are_not_exactly_the_networks_are_refused_by_name(path, metric_release):
    weights, passport = load_file(path), metric_release.passport()
    bias = weights.pop('semantic_head.score.bias')
    forge(path, passport, weights)
    refusal(path, "missing .*'semantic_head.score.bias'")
    forge(path, passport, weights | {'semantic_head.score.bias': bias, 'extra': bias.clone()})
    refusal(path, "foreign .*'extra'")
    forge(path, passport, weights | {'semantic_head.score.bias': bias[:4].clone()})
    refusal(path, "misshapen .*'semantic_head.score.bias'")


@pytest.mark.parametrize(('change', 'named'), [
    ({'format': 'sds-release-9'}, "format is 'sds-release-9'"),
    ({'depth_kind': 'imperial'}, "depth kind is 'imperial'"),
    ({'input_size': [64, 100]}, 'release input size is'),
    ({'input_size': [0, 128]}, 'release input size is'),
    ({'input_size': None}, 'invalid passport'),
    ({'camera': {'fx': 1.0}}, 'invalid passport'),
    ({'network': {'encoder': 'resnet18'}}, 'missing'),
    ({'network': asdict(NETWORKS['tiny']) | {'classes': 7}}, '7 classes'),
    ({'network': asdict(NETWORKS['tiny']) | {'encoder': 'dreamnet'}}, 'dreamnet'),
    ({'depth_scale': 0.0}, 'depth scale'),
    ({'depth_scale': float('inf')}, 'depth scale'),
    ({'depth_scale': 'far'}, 'invalid passport'),
    ({'brightness': 1.1}, 'brightness is 1.1, wanted 0 to 1'),
    ({'brightness': 'dusk'}, 'invalid passport'),
])  # fmt: skip
def test_a_passport_that_makes_no_sense_is_refused_by_name(path, metric_release, change, named):
    forge(path, metric_release.passport() | change, load_file(path))
    refusal(path, named)


def test_a_release_of_before_brightness_was_known_is_read_and_brightens_nothing(
    path, metric_release
):
    passport = metric_release.passport()
    del passport['brightness']
    forge(path, passport, load_file(path))
    assert read_release(path).brightness == 0


@pytest.mark.parametrize('passport', ['', '{', '[]', '7', '{"format": "sds-release-1"}'])
def test_a_passport_that_is_no_passport_is_refused(path, passport):
    forge(path, passport, load_file(path))
    refusal(path, 'passport|format')


def test_a_release_that_could_not_be_read_again_is_not_written(tmp_path, metric_release):
    path = tmp_path / 'new.safetensors'
    weights = dict(list(metric_release.weights.items())[1:])
    with pytest.raises(ReleaseError, match='missing'):
        write_release(path, replace(metric_release, weights=weights))
    with pytest.raises(ReleaseError, match='input size'):
        replace(metric_release, input_size=(64, 100))
    assert not list(tmp_path.iterdir())


def test_a_camera_of_another_size_than_the_input_is_refused(metric_release):
    half = metric_release.camera.resized(64, 32)
    with pytest.raises(ReleaseError, match=r'\(32, 64\), wanted .*\(64, 128\)'):
        replace(metric_release, camera=half)


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16])
def test_weights_that_are_not_finite_are_neither_written_nor_read(
    path, metric_release, value, dtype
):
    name = 'semantic_head.score.bias'
    weights = dict(metric_release.weights)
    weights[name] = weights[name].to(dtype).index_fill(0, torch.tensor(3), value)
    with pytest.raises(ReleaseError, match=name):
        write_release(path, replace(metric_release, weights=weights))
    forge(path, metric_release.passport(), weights)
    refusal(path, f'{name} are not all finite')


def test_a_write_that_fails_leaves_the_old_file_and_no_partial_one(
    path, metric_release, monkeypatch
):
    before = path.read_bytes()

    def full(weights, target, metadata):
        Path(target).write_bytes(b'half of it')
        raise OSError('No space left on device')

    monkeypatch.setattr(release_module, 'save_file', full)
    with pytest.raises(ReleaseError, match='No space left'):
        write_release(path, metric_release)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_finished_write_leaves_exactly_one_file_that_others_may_read(path):
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(('name', 'sentence'), [
    ('good.safetensors', 'exists already'),
    ('none/new.safetensors', 'none is not a folder'),
    ('new.pt', 'wanted a release to write'),
])  # fmt: skip
def test_a_release_is_written_to_a_new_file_in_a_folder_only(path, name, sentence):
    require_new(path.with_name('new.safetensors'), 'last')
    with pytest.raises(ReleaseError, match=sentence):
        require_new(path.parent / name, 'last')


def test_reading_and_building_do_not_move_the_random_generator(path):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    read_release(path).network()
    untrained_release(NETWORKS['tiny'], (64, 128))
    assert torch.equal(torch.get_rng_state(), before)


def test_untrained_weights_follow_their_seed_and_say_that_they_are_untrained():
    make = lambda seed: untrained_release(NETWORKS['tiny'], (64, 128), seed=seed)  # noqa: E731
    one, again, other = make(1), make(1), make(2)
    name = 'semantic_head.score.weight'
    assert torch.equal(one.weights[name], again.weights[name])
    assert not torch.equal(one.weights[name], other.weights[name])
    assert not one.trained and not replace(one, provenance={}).trained
    assert one.depth_kind == 'relative'


def test_the_release_called_demo_is_the_shipped_one() -> None:
    assert named_release('demo').digest == read_release(DEMO).digest


def test_a_full_disk_is_told_in_one_sentence(tmp_path, metric_release, files_of_at_most):
    path = tmp_path / 'new.safetensors'
    with (
        files_of_at_most(2**10),
        pytest.raises(ReleaseError, match=f'release {path} could not be written: '),
    ):
        write_release(path, metric_release)
    assert not list(tmp_path.iterdir())
