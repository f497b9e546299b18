from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sds_training.variants import VARIANTS, Variant, config_of, different, start_config

CONFIG = 'config/training/smoke.yaml'
BY_NAME = {variant.name: variant for variant in VARIANTS}
WITH_GROUND = ('base + ground', 'everything', 'everything but CCAM')


@pytest.mark.parametrize('variant', VARIANTS, ids=lambda variant: variant.name)
def test_every_line_has_the_same_data_steps_and_seed(variant: Variant) -> None:
    config, base = (config_of(CONFIG, [], each, 3) for each in (variant, BY_NAME['base']))
    assert (config.data, config.steps, config.seed) == (base.data, base.steps, base.seed)
    assert config.data.split_seed == config.seed == 3


def test_each_part_alone_differs_from_the_base_in_that_part() -> None:
    base = config_of(CONFIG, [], BY_NAME['base'], 0)
    ccam = config_of(CONFIG, [], BY_NAME['base + CCAM'], 0)
    givers = config_of(CONFIG, [], BY_NAME['base + labelled givers'], 0)
    affine = config_of(CONFIG, [], BY_NAME['base + labelled givers + AffineMix'], 0)
    color = config_of(CONFIG, [], BY_NAME['base + ColorAug'], 0)
    assert (base.network.config().exchange, ccam.network.config().exchange) == ('pad', 'ccam')
    assert (givers.mix.affine_mix, affine.mix.affine_mix) == (0.0, 0.5)
    assert base.mix.givers != givers.mix.givers == affine.mix.givers == 'labelled'
    assert (base.color_aug.probability, color.color_aug.probability) == (0.0, 0.5)
    assert (ccam.mix, affine.color_aug, color.network) == (base.mix, base.color_aug, base.network)


def test_lines_without_mixing_or_pseudo_labels_have_none() -> None:
    for name in ('mean teacher', 'debiased mean teacher'):
        mix = config_of(CONFIG, [], BY_NAME[name], 0).mix
        assert mix.none == 1 and mix.class_mix == mix.depth_mix == mix.affine_mix == 0
    assert config_of(CONFIG, [], BY_NAME['labelled only'], 0).loss.consistency == 0


def test_no_override_for_all_lines_takes_from_a_line_what_makes_it() -> None:
    words = ['--loss.consistency=2', '--optimiser.rate=0.5']
    config = config_of(CONFIG, words, BY_NAME['labelled only'], 0)
    assert config.loss.consistency == 0 and config.optimiser.rate == 0.5


def test_only_the_ground_and_everything_have_the_grounds_terms() -> None:
    for variant in VARIANTS:
        loss = config_of('config/training/streets_ablation.yaml', [], variant, 0).loss
        wanted = 0.15 if variant.name in WITH_GROUND else 0.0
        assert (loss.road, loss.standing) == (wanted, wanted)


def test_a_line_that_is_another_one_in_this_config_is_left_out() -> None:
    without_ground = different(list(VARIANTS), CONFIG, [])
    left_out = {each.name for each in VARIANTS} - {each.name for each in without_ground}
    assert left_out == {'base + ground', 'everything but ground'}
    streets = 'config/training/streets_ablation.yaml'
    assert different(list(VARIANTS), streets, []) == list(VARIANTS)


def test_everything_is_all_parts_together() -> None:
    config = config_of(CONFIG, [], BY_NAME['everything'], 0)
    assert config.network.config().exchange == 'ccam'
    assert config.color_aug.probability == 0.5
    assert (config.mix.affine_mix, config.mix.givers) == (0.25, 'labelled')
    assert config.teacher.debias == 1.0


def test_everything_but_ccam_is_everything_with_pad() -> None:
    config, other = (
        config_of(CONFIG, [], BY_NAME[name], 0) for name in ('everything', 'everything but CCAM')
    )
    with_ccam = replace(other.network, changes={**other.network.changes, 'exchange': 'ccam'})
    assert other.network.config().exchange == 'pad'
    assert replace(other, network=with_ccam, run_dir=config.run_dir) == config


def test_changes_of_the_config_survive_in_every_line(tmp_path: Path) -> None:
    file = tmp_path / 'wide.yaml'
    changes = 'network: {name: tiny, changes: {decoder_channels: [48, 48, 32]}}'
    file.write_text(f'run_dir: runs/wide\n{changes}\ndata: {{root: x}}\n')
    network = config_of(str(file), [], BY_NAME['everything'], 0).network.config()
    assert network.decoder_channels == (48, 48, 32) and network.exchange == 'ccam'


def test_a_start_learns_from_the_data_of_its_lines_and_lies_beside_them(tmp_path: Path) -> None:
    file = tmp_path / 'start.yaml'
    base = Path(CONFIG).resolve()
    file.write_text(f'base: {base}\nrun_dir: {tmp_path}/start\nsteps: 9\ndata: {{labels: 1}}\n')
    words = ['--data.root', '/mine', '--steps=5', '--data.labels=50', '--optimiser.rate', '1']
    words += ['--fabric.precision', '32-true']
    line = config_of(CONFIG, words, BY_NAME['base'], 3)
    start = start_config(str(file), words, 'pad', 3)
    assert start.fabric == line.fabric and start.fabric.precision == '32-true'
    assert start.data == line.data and start.data.root == '/mine' and start.data.labels == 50
    assert start.network == line.network  # with the exchange of the line
    assert start.steps == 9 and start.optimiser != line.optimiser  # these are the file's own
    assert start.run_dir == f'{tmp_path}/start/pad/seed_3'
    elsewhere = start_config(str(file), words, 'ccam', 3, '/runs/mine')
    assert elsewhere.run_dir == '/runs/mine/start/ccam/seed_3'
