from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sds_perception.perceiver import Perceiver
from sds_perception.release import Release, ReleaseError, read_release
from sds_training import train as module
from sds_training.class_bias import HEAD_BIAS
from sds_training.config import TrainingConfig
from sds_training.config_error import ConfigError
from sds_training.export import main as export_main
from sds_training.learner import Learner
from sds_training.run.devices import launched
from sds_training.run.passport import known_before
from sds_training.run.run_state import RunStateError, newest_readable
from sds_training.train import main, train

Make = Callable[..., TrainingConfig]

# Without BatchNorm, mixing and colours a batch's frames do not affect each other, so that two
# processes with half the batch each must learn what one learns.
INDEPENDENT = (
    '--network.changes={"encoder_options": {"channels": [24, 48, 96, 160], "stem_width": 8, '
    '"norm_layer": "groupnorm1"}, "block": "reflect_elu"}',
    '--loss.consistency=0',
    '--color_aug.global_probability=0',
    '--color_aug.probability=0',
    '--optimiser.kind=sgd',
    '--steps=3',
)


def started(config: TrainingConfig) -> Learner:
    """A learner before its first step."""
    return Learner(config, launched(config), canonical_focal_px=90.0)


def test_a_batch_from_disk_changes_the_weights_and_ends_as_a_release(
    finished_run: TrainingConfig,
) -> None:
    run_dir = Path(finished_run.run_dir)
    release = read_release(run_dir / 'release.safetensors')
    records = [json.loads(line) for line in (run_dir / 'journal.jsonl').read_text().splitlines()]
    assert [each['step'] for each in records] == [1, 2, 3, 4]
    assert {'supervised', 'consistency', 'photometric', 'smoothness', 'speed'} <= records[
        -1
    ].keys()
    assert {each.name for each in (run_dir / 'pictures').iterdir()} == {
        'clean_00000004.png',
        'mixed_00000004.png',
    }
    assert release.trained and release.depth_kind == 'metric' and release.camera is not None
    assert release.camera.fy == pytest.approx(90.0)
    assert release.provenance['data']['labelled'] == 2
    assert 0 <= release.provenance['scores']['mean_iou'] <= 1


def test_notes_on_the_data_are_told_once(tiny_run: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level('INFO')
    train(tiny_run('--steps=1', '--data.extra_unlabelled=[18, 99]'))
    assert caplog.text.count('are not in leftImg8bit_sequence') == 1


def test_depth_pretraining_starts_a_joint_run(tiny_run: Make, tmp_path: Path) -> None:
    depth = tiny_run('--stage=depth', '--steps=2', run_dir=tmp_path / 'depth')
    train(depth)
    state = newest_readable(depth.run_dir)
    assert state is not None
    file = next(Path(depth.run_dir, 'states').glob('*2.pt'))
    joint = tiny_run(f'--init_from={file}', '--steps=1', '--optimiser.rate=0')
    train(joint)
    moved = newest_readable(joint.run_dir)
    assert moved is not None
    key = 'student.depth_heads.0.score.weight'
    assert torch.equal(moved['networks'][key], state['networks'][key])


def test_after_depth_pretraining_semantics_starts_as_a_copy_of_depth(
    tiny_run: Make, tmp_path: Path
) -> None:
    depth = tiny_run('--stage=depth', '--steps=1', run_dir=tmp_path / 'depth')
    taught = read_release(train(depth)).weights
    own = {n: n.replace('semantic_levels', 'depth_levels') for n in taught}
    taught[HEAD_BIAS] = torch.zeros(19)  # nor does sky stay unsaid
    for end in ('states/step_00000001.pt', 'release.safetensors'):
        learner = started(tiny_run(f'--init_from={depth.run_dir}/{end}'))
        module.begin(learner, {}, known_before(learner.config))
        for name, weight in learner.student.state_dict().items():
            assert torch.equal(weight, taught[own[name]]), name


def test_depth_pretraining_serves_networks_with_any_exchange(
    tiny_run: Make, tmp_path: Path
) -> None:
    state = started(tiny_run('--network.changes={"exchange": "none"}', '--seed=1')).state()
    learner = started(tiny_run())
    fresh = {name: each.clone() for name, each in learner.state()['networks'].items()}
    learner.start_from(state['networks'])
    for name, weight in learner.state()['networks'].items():
        wanted = fresh if name.startswith('student.exchanges.') else state['networks']
        assert torch.equal(weight, wanted[name]), name


def test_a_run_may_start_from_a_release_and_says_so(tiny_run: Make, tmp_path: Path) -> None:
    first = train(tiny_run('--steps=1', run_dir=tmp_path / 'first'))
    config = tiny_run(f'--init_from={first}', '--steps=1', '--optimiser.rate=0')
    second = read_release(train(config))
    key = 'semantic_head.score.weight'
    assert torch.equal(second.weights[key], read_release(first).weights[key])
    assert second.provenance['started_from']['release'] == read_release(first).digest


def test_a_run_that_keeps_statistics_ends_with_those_it_began_with(
    tiny_run: Make, tmp_path: Path
) -> None:
    first = train(tiny_run('--steps=1', run_dir=tmp_path / 'first'))
    config = tiny_run(f'--init_from={first}', '--steps=2', '--optimiser.statistics=kept')
    before, after = read_release(first).weights, read_release(train(config)).weights
    kept = {name for name in before if torch.equal(before[name], after[name])}
    statistics = {name for name in before if name.endswith(('running_mean', 'running_var'))}
    assert statistics and statistics <= kept < set(before)


def test_a_run_that_starts_from_nothing_has_no_statistics_to_keep(tiny_run: Make) -> None:
    config = tiny_run('--optimiser.statistics=kept', '--streets=1')
    with pytest.raises(ConfigError, match="statistics is 'kept', wanted 'batch' where init_from"):
        train(config)
    assert not Path(config.run_dir).exists()


def test_a_continued_run_remembers_where_it_began(tiny_run: Make, tmp_path: Path) -> None:
    first = train(tiny_run('--steps=1', run_dir=tmp_path / 'first'))
    config = tiny_run(f'--init_from={first}', '--steps=1')
    train(config)
    first.unlink()  # nobody needs it again
    assert read_release(train(config)).provenance['started_from']['step'] == 1


def test_a_release_that_is_none_is_refused(tiny_run: Make, tmp_path: Path) -> None:
    (tmp_path / 'no.safetensors').write_bytes(b'nothing')
    with pytest.raises(ReleaseError, match='damaged'):
        train(tiny_run(f'--init_from={tmp_path / "no.safetensors"}'))


def test_networks_of_another_kind_are_refused_by_name(tiny_run: Make) -> None:
    state = started(tiny_run('--network.changes={"decoder_channels": [48, 48, 48]}')).state()
    with pytest.raises(RunStateError, match=r'init_from holds another network: .*first: student'):
        started(tiny_run()).start_from(state['networks'])


@pytest.mark.parametrize('stage', ['joint', 'depth'])
def test_export_writes_the_release_that_the_run_wrote(
    tiny_run: Make, tmp_path: Path, stage: str
) -> None:
    config = tiny_run('--steps=1', f'--stage={stage}')
    written = read_release(train(config))
    file = tmp_path / 'exported.safetensors'
    assert export_main([config.run_dir, str(file)]) == 0
    exported = read_release(file)
    assert all(torch.equal(exported.weights[n], w) for n, w in written.weights.items())
    assert exported.provenance['network'] == written.provenance['network']
    assert exported.provenance['config_digest'] == written.provenance['config_digest']


def test_a_release_of_half_the_size_is_the_one_that_is_scored(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[Release] = []
    real = Perceiver.from_release
    monkeypatch.setattr(
        Perceiver, 'from_release', lambda file, **more: scored.append(file) or real(file, **more)
    )
    config = tiny_run('--release_weights=float16', '--steps=1')
    written = read_release(train(config))
    kernels = [each for each in written.weights.values() if each.ndim > 1]
    assert kernels and all(each.dtype == torch.float16 for each in kernels)
    assert all(torch.equal(scored[-1].weights[n], w) for n, w in written.weights.items())
    assert next(written.network().parameters()).dtype == torch.float32


def test_export_of_no_run_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export_main([str(tmp_path), str(tmp_path / 'x.safetensors')]) == 2
    assert capsys.readouterr().err.count('\n') == 1


@pytest.mark.parametrize(
    ('words', 'told'),
    [
        (['--pose.encoder=resnet_none'], "pose.encoder 'resnet_none' cannot be made by timm"),
        (['--network.changes={"encoder": "resnet_none"}'], "encoder 'resnet_none' with"),
        (['--fabric.accelerator=cuda', '--fabric.devices=99'], 'devices 99, but torch sees'),
        (['--run_dir={file}/run'], 'run_dir {file}/run cannot be written'),
    ],
)
def test_what_a_person_gets_wrong_is_told_in_one_line(
    tiny_run: Make,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    told: str,
) -> None:
    tiny_run()
    file = tmp_path / 'tiny.yaml'
    assert main([str(file), *(word.replace('{file}', str(file)) for word in words)]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith('sds-train: ') and told.replace('{file}', str(file)) in said


@pytest.mark.parametrize(('place', 'problem', 'code', 'told'), [
    ('learner.build_network', OSError('no route'), 2, 'network.pretrained asks for public'),
    ('train.data_passport', KeyboardInterrupt(), 130, 'the same command continues'),
])  # fmt: skip
def test_what_stops_a_run_before_its_first_step_is_told_as_after_it(
    tiny_run: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], place: str, problem: BaseException, code: int, told: str,
) -> None:  # fmt: skip
    tiny_run()

    def stop(*_: object, **__: object) -> None:
        raise problem

    monkeypatch.setattr(f'sds_training.{place}', stop)
    assert main([str(tmp_path / 'tiny.yaml')]) == code
    assert told in capsys.readouterr().err


def test_two_processes_learn_what_one_learns_on_the_same_batch(
    tiny_run: Make, tmp_path: Path
) -> None:
    one = tiny_run(*INDEPENDENT, '--data.labelled_batch=2', '--data.unlabelled_batch=2')
    train(one)
    two = tmp_path / 'two'
    torchrun = [
        sys.executable,
        '-m',
        'torch.distributed.run',
        '--nproc_per_node=2',
        '--standalone',
    ]
    words = [
        str(tmp_path / 'tiny.yaml'),
        *INDEPENDENT,
        f'--run_dir={two}',
        '--fabric.devices=2',
        '--data.labelled_batch=1',
        '--data.unlabelled_batch=1',
    ]
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    ended = subprocess.run(
        [*torchrun, '-m', 'sds_training.train', *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    alone, state = newest_readable(one.run_dir), next((two / 'states').glob('*3.pt'))
    together = torch.load(state, weights_only=True)['networks']
    assert alone is not None
    for name, wanted in alone['networks'].items():
        torch.testing.assert_close(together[name], wanted, rtol=1e-3, atol=2e-5, msg=name)
