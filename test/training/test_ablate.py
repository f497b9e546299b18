from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from sds_perception.camera import Camera
from sds_perception.network import build_network
from sds_perception.release import Release, write_release
from sds_training import ablate
from sds_training.ablate import run
from sds_training.config import TrainingConfig
from sds_training.config_error import ConfigError
from sds_training.data.clips import training_pools
from sds_training.evidence import Outcome, write_evidence
from sds_training.run.passport import data_passport
from sds_training.run.run_state import RunStateError
from sds_training.scoring import RELEASE
from sds_training.variants import VARIANTS, config_of

CONFIG = 'config/training/smoke.yaml'
BY_NAME = {variant.name: variant for variant in VARIANTS}
CAMERA = Camera.guess(64, 64)


def tiny_passport(*_: Any) -> dict[str, Any]:
    """What a run knows of data that need not be there."""
    return {'data': {'labels': 2, 'pool_sha256': 'the first'}, 'camera': asdict(CAMERA)}


@pytest.fixture(autouse=True)
def data_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let data be there that runs finish on."""
    monkeypatch.setattr(ablate, 'render_streets', lambda config: None)
    monkeypatch.setattr(ablate, 'training_pools', lambda data: None)
    monkeypatch.setattr(ablate, 'data_passport', tiny_passport)


def finish(config: TrainingConfig, mean_iou: float = 0.25) -> None:
    """Leave in the run's folder what a finished run leaves there."""
    run_dir, network = Path(config.run_dir), config.network.config()
    (run_dir / 'states').mkdir(parents=True)
    (run_dir / 'states/step_00000004.pt').write_bytes(b'')
    (run_dir / 'scores.json').write_text(json.dumps({'mean_iou': mean_iou}))
    passport = {'config': asdict(config), 'data': tiny_passport()['data']}
    weights = build_network(network).state_dict()
    release = Release(network, weights, (64, 64), 'relative', camera=CAMERA, provenance=passport)
    write_release(run_dir / RELEASE, release)


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    config = config_of(CONFIG, [f'--run_dir={tmp_path}'], BY_NAME['base'], 0)
    finish(config)
    assert run(config) == {'mean_iou': 0.25}


def test_a_finished_run_of_another_config_is_no_line_of_the_table(tmp_path: Path) -> None:
    words = [f'--run_dir={tmp_path}']
    finish(config_of(CONFIG, words, BY_NAME['base'], 0))
    with pytest.raises(RunStateError, match=r'another config \(optimiser.rate, steps\)'):
        run(config_of(CONFIG, [*words, '--steps=9', '--optimiser.rate=1'], BY_NAME['base'], 0))


def test_a_finished_run_on_other_frames_is_no_line_of_the_table(
    tiny_run: Callable[..., TrainingConfig],
    drive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ablate, 'training_pools', training_pools)
    monkeypatch.setattr(ablate, 'data_passport', data_passport)
    root = Path(shutil.copytree(drive, tmp_path / 'drive'))
    config = tiny_run(f'--data.root={root}', '--steps=1')
    assert run(config) == run(config)
    for path in root.glob('leftImg8bit_sequence/train/ulm/*_000018_*'):
        path.unlink()
    with pytest.raises(RunStateError, match=r'other data \(data.pool, data.pool_sha256 changed'):
        run(config)


def test_a_run_that_could_not_be_scored_is_no_line_of_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablate, 'train', lambda config: None)
    with pytest.raises(RunStateError, match='seed_0 has no scores'):
        run(config_of(CONFIG, [f'--run_dir={tmp_path}'], BY_NAME['base'], 0))


@pytest.mark.parametrize(('words', 'sentence'), [
    (['--seed=7'], '--seed is set for each line'),
    (['--data.split_seed', '7'], '--data.split_seed is set for each line'),
    (['--seeds', '0', '1', '0'], '--seeds 0 1 0 names one twice'),
])  # fmt: skip
def test_seeds_that_would_not_be_those_of_the_table_are_refused(
    capsys: pytest.CaptureFixture, words: list[str], sentence: str
) -> None:
    with pytest.raises(SystemExit, match='2'):
        ablate.main([CONFIG, *words])
    assert sentence in capsys.readouterr().err


def test_scores_of_other_frames_or_classes_are_no_line_of_the_table(
    tiny_run: Callable[..., TrainingConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablate, 'training_pools', training_pools)
    monkeypatch.setattr(ablate, 'data_passport', data_passport)
    config = tiny_run('--steps=1')
    assert run(config)['fold'] == 'none'
    with pytest.raises(RunStateError, match=r'scored otherwise .* \(fold changed since\)'):
        run(tiny_run('--steps=1', '--journal.evaluate_fold=camvid'))
    monkeypatch.setattr(ablate, 'frames_to_score', lambda config: [])
    with pytest.raises(RunStateError, match=r'\(frames_sha256 changed since\)'):
        run(config)


def test_a_line_counts_from_what_its_start_holds_and_not_from_where_it_lies(
    tiny_run: Callable[..., TrainingConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablate, 'training_pools', training_pools)
    monkeypatch.setattr(ablate, 'data_passport', data_passport)
    one, other = (tiny_run('--steps=1', *more, run_dir=tmp_path / 'start') for more in
                  ((), ('--optimiser.rate=0.002',)))  # fmt: skip
    start = Path(ablate.start_of(one))
    line = tiny_run('--steps=1', f'--init_from={start}')
    found = run(line)
    moved = start.replace(tmp_path / 'moved.pt')
    assert run(tiny_run('--steps=1', f'--init_from={moved}')) == found
    with pytest.raises(RunStateError, match='has no states any more, from which lines start'):
        ablate.start_of(one)
    shutil.rmtree(tmp_path / 'start')
    assert Path(ablate.start_of(other)) == start
    with pytest.raises(RunStateError, match='grew from another start than .*step_00000001.pt'):
        run(line)


def test_a_line_starts_from_the_last_state_of_its_start(tmp_path: Path) -> None:
    config = config_of(CONFIG, [f'--run_dir={tmp_path}'], BY_NAME['base'], 0)
    finish(config)
    last = Path(config.run_dir, 'states/step_00000009.pt')
    last.write_bytes(b'')
    assert ablate.start_of(config) == str(last)


def test_control_c_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ablate, 'train', interrupt)
    assert ablate.main([CONFIG, f'--run_dir={tmp_path}', '--only', 'base']) == 130
    assert capsys.readouterr().err == 'ablate: stopped; the same command continues\n'


def test_a_table_that_cannot_be_written_is_told_in_one_line_and_costs_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(ablate, 'train', finish)
    words = [CONFIG, f'--run_dir={tmp_path}', '--only', 'base', '--seeds', '0']
    assert ablate.main([*words, '--output', str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f'ablate: {tmp_path} cannot be written') and said.count('\n') == 1
    assert ablate.main(words) == 0


def test_the_table_holds_mean_and_deviation_over_seeds(tmp_path: Path) -> None:
    base = Outcome('base', ({'mean_iou': 0.5}, {'mean_iou': 0.7}))
    file = tmp_path / 'evidence.md'
    write_evidence(file, 'a test', {'steps': '4'}, [base, Outcome('rest', ({'mean_iou': 0.8},))])
    text = file.read_text()
    assert '| base | 2 | 0.6000 ± 0.1414 |' in text
    assert '| rest | 1 | 0.8000 |' in text
    assert '| rest | - |' in text  # half of the seeds are no comparison
    assert file.with_suffix('.png').stat().st_size > 1000


def test_what_all_lines_of_a_seed_share_falls_out_of_the_differences(tmp_path: Path) -> None:
    easy, hard = {'mean_iou': 0.7, 'abs_rel': 0.1}, {'mean_iou': 0.3, 'abs_rel': 0.4}
    better = tuple(
        {'mean_iou': each['mean_iou'] + 0.02, 'abs_rel': 0.95 * each['abs_rel']}
        for each in (easy, hard)
    )
    lines = [Outcome('base', (easy, hard)), Outcome('everything', better)]
    write_evidence(tmp_path / 'evidence.md', 'a test', {}, lines)
    text = (tmp_path / 'evidence.md').read_text()
    assert '| variant | mIoU, points | AbsRel, % |' in text
    assert '| everything | +2.00 ± 0.00 | -5.00 ± 0.00 |' in text


def test_without_the_base_line_nothing_is_compared(tmp_path: Path) -> None:
    write_evidence(tmp_path / 'e.md', 'a test', {}, [Outcome('other', ({'abs_rel': 0.1},))])
    assert 'Against' not in (tmp_path / 'e.md').read_text()


def test_a_line_starts_from_the_run_of_its_seed_and_exchange(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: dict[str, TrainingConfig] = {}

    def train(config: TrainingConfig) -> None:
        trained[str(Path(config.run_dir).relative_to(tmp_path))] = config
        finish(config)

    monkeypatch.setattr(ablate, 'train', train)
    file = tmp_path / 'start.yaml'
    file.write_text(f'base: {Path(CONFIG).resolve()}\nsteps: 9\n')
    words = ['--only', 'base', 'labelled only', 'base + CCAM', f'--run_dir={tmp_path}']
    assert ablate.main([CONFIG, '--start', str(file), '--seeds', '3', '4', *words]) == 0
    starts = {name: each for name, each in trained.items() if name.startswith('start')}
    assert set(starts) == {f'start/{e}/seed_{s}' for e in ('ccam', 'pad') for s in (3, 4)}
    for name, start in starts.items():
        assert start.steps == 9 and f'start/{start.network.config().exchange}' in name
    for line in (each for name, each in trained.items() if name not in starts):
        start = tmp_path / 'start' / line.network.config().exchange / f'seed_{line.seed}'
        assert line.init_from == f'{start}/states/step_00000004.pt'
    assert len(trained) == 4 + 6


def test_the_table_tells_of_the_start_and_lies_in_the_folder_of_its_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(ablate, 'train', finish)
    file = tmp_path / 'start.yaml'
    file.write_text(f'base: {Path(CONFIG).resolve()}\nsteps: 9\n')
    words = [f'--run_dir={tmp_path / "runs"}', '--data.labels=2', '--only', 'base']
    assert ablate.main([CONFIG, '--start', str(file), '--seeds', '3', *words]) == 0
    table = tmp_path / 'runs/evidence.md'
    assert capsys.readouterr().out == f'{table}\n'
    told = f'* start: {file}, 9 steps, 2 labels, with the exchange of the line\n'
    assert told in table.read_text()


@pytest.mark.parametrize('start', [False, True])
def test_runs_of_several_processes_are_refused_before_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture, start: bool
) -> None:
    wide = tmp_path / 'wide.yaml'
    wide.write_text(f'base: {Path(CONFIG).resolve()}\nfabric: {{devices: 2}}\n')
    words = [CONFIG, '--start', str(wide)] if start else [str(wide)]
    assert ablate.main([*words, f'--run_dir={tmp_path}']) == 2
    told = 'ablate: fabric.devices times fabric.num_nodes is 2 times 1, wanted 1: an ablation'
    assert capsys.readouterr().err.startswith(told)


def test_runs_on_several_machines_are_refused_too() -> None:
    config = config_of(CONFIG, ['--fabric.num_nodes=2'], BY_NAME['base'], 0)
    with pytest.raises(ConfigError, match='is 1 times 2, wanted 1'):
        ablate.require_one_process(config)
