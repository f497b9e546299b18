"""Depth that nothing teaches stays what it was when the run began."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from objective_setting import FOCAL_PX, NO_DEPTH, Make, Setting
from torch.nn import Module
from torch.nn.modules.module import register_module_forward_pre_hook

from sds_perception.camera import Camera
from sds_perception.network import SdsNetwork, disparity_from_depth
from sds_perception.release import read_release, write_release
from sds_training.config import TrainingConfig
from sds_training.learner import Learner
from sds_training.losses.depth import depth_distance
from sds_training.neighbour_terms import Terms
from sds_training.objective import JointObjective
from sds_training.run.devices import launched
from sds_training.start import Start
from sds_training.train import train

RANGE = (0.5, 50.0)
NONE = torch.empty(0, dtype=torch.long)
KEPT = ('--loss.kept_depth=1', '--init_from=start')


def flat(depth: float) -> torch.Tensor:
    return torch.full((1, 1, 4, 8), disparity_from_depth(depth, RANGE))


@pytest.mark.parametrize(('one', 'other', 'apart'), [(5, 5, 0.0), (5, 10, 0.693), (10, 5, 0.693)])
def test_depths_are_apart_by_the_logarithm_of_their_ratio(
    one: float, other: float, apart: float
) -> None:
    found = depth_distance(flat(one), flat(other), RANGE)
    torch.testing.assert_close(found, torch.tensor(apart), atol=1e-3, rtol=0)


class Kept:
    """The term of three frames at a known start."""

    def __init__(self, config: TrainingConfig) -> None:
        setting = Setting(config)
        self.start = Start(setting.networks.student)
        self.objective = JointObjective(setting.config, FOCAL_PX, self.start)
        self.image = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        self.said = self.start(self.image).disparity[0]

    def __call__(self, disparity: torch.Tensor, taught: torch.Tensor) -> Terms:
        return self.objective.kept_depth_term(disparity, self.image, taught, self.start)


def test_who_says_what_the_start_said_has_nothing_to_learn(tiny_run: Make) -> None:
    kept = Kept(tiny_run(*KEPT))
    weight, error = kept(kept.said, NONE)['kept_depth']
    assert weight == 1 and error == 0
    assert kept(0.9 * kept.said, NONE)['kept_depth'][1] > 0.01


def test_only_frames_that_neighbours_do_not_teach_are_held(tiny_run: Make) -> None:
    kept = Kept(tiny_run(*KEPT))
    changed = kept.said.clone()
    changed[1] *= 0.5
    assert kept(changed, torch.tensor([1]))['kept_depth'][1] == 0
    assert kept(changed, torch.arange(3)) == {}


def test_a_start_of_larger_pictures_is_shown_larger_ones(tiny_run: Make) -> None:
    network = Setting(tiny_run(*KEPT)).networks.student
    image = torch.rand(1, 3, 32, 64, generator=torch.Generator().manual_seed(0))
    larger = torch.nn.functional.interpolate(image, size=[96, 128], mode='bilinear')
    alone, zoomed = Start(network), Start(network, zoom=(2.0, 3.0))
    found = zoomed.disparity(image, (24, 32))
    torch.testing.assert_close(found, alone(larger).disparity[0])
    assert zoomed.disparity(image, (8, 16)).shape == (1, 1, 8, 16)
    assert torch.equal(alone.disparity(image, (8, 16)), alone(image).disparity[0])


def test_the_whole_objective_holds_depth_where_no_depth_is_taught(tiny_run: Make) -> None:
    setting = Setting(tiny_run(*KEPT, *NO_DEPTH, '--loss.kept_depth=2', '--loss.consistency=0'))
    start = Start(setting.networks.student)
    objective = JointObjective(setting.config, FOCAL_PX, start)
    generator = torch.Generator().manual_seed(0)
    losses, _ = objective(setting.batch, setting.networks, setting.teacher, 0, generator)
    told = losses.terms
    torch.testing.assert_close(losses.total, told['supervised'] + 2 * told['kept_depth'])
    assert told['kept_depth'] > 0  # the student sees its batch's statistics, the start its own


def test_the_start_is_what_the_run_began_with_and_survives_its_state(
    tiny_run: Make, tmp_path: Path
) -> None:
    file = train(tiny_run('--steps=1', '--seed=5', run_dir=tmp_path / 'first'))
    config = tiny_run(f'--init_from={file}', '--steps=2', '--loss.kept_depth=1', *NO_DEPTH)
    batch = Setting(config).batch
    learner = Learner(config, launched(config), FOCAL_PX)
    other = Learner(tiny_run('--seed=5'), launched(config), FOCAL_PX)
    learner.start_from(other.bare.state_dict())
    began = {name: each.clone() for name, each in learner.student.state_dict().items()}
    learner.advance([batch])
    again = Learner(config, launched(config), FOCAL_PX)
    again.load(learner.state())
    for one in (learner, again):
        assert one.start is not None
        kept, now = one.start.network.state_dict(), one.student.state_dict()
        assert all(torch.equal(kept[name], began[name]) for name in began)
        assert not all(torch.equal(now[name], began[name]) for name in began)


@pytest.mark.parametrize(('words', 'times'), [(('--loss.depth=0', '--loss.speed=0'), 1), ((), 0)])
def test_a_start_whose_depth_nothing_teaches_loses_it_and_says_so(
    words: tuple[str, ...],
    times: int,
    tiny_run: Make,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = train(tiny_run('--steps=1', run_dir=tmp_path / 'first'))
    train(tiny_run(f'--init_from={first}', '--steps=1', *words))
    assert caplog.text.count('knows of depth is lost') == times


def test_a_run_from_nothing_has_no_depth_to_keep(
    tiny_run: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match='2'):
        tiny_run('--loss.kept_depth=1')
    assert 'wanted 0 where init_from is null: nothing is there to keep' in capsys.readouterr().err


WIDE = Camera(60.0, 60.0, 63.5, 31.5, 128, 64)  # the drive's has 90


def begun(tiny_run: Make, folder: Path, *words: str) -> str:
    """A release that learnt metres behind a lens of its own, as the start of another run."""
    file = train(tiny_run('--steps=1', *words, run_dir=folder / 'first'))
    assert file
    release = replace(read_release(file), input_size=(64, 128), camera=WIDE)
    write_release(folder / 'wide.safetensors', release)
    return f'--init_from={folder / "wide.safetensors"}'


def test_what_is_only_kept_stays_in_the_metres_of_its_start_and_behind_its_lens(
    tiny_run: Make, tmp_path: Path
) -> None:
    words = (begun(tiny_run, tmp_path), '--steps=2', '--loss.kept_depth=1', *NO_DEPTH)
    kept = read_release(train(tiny_run(*words)) or '')
    assert kept.camera == WIDE.resized(96, 64)
    assert kept.depth_kind == 'metric'
    assert kept.provenance['depth_scale_source'] == 'vehicle speed'


def test_a_run_asks_its_start_at_the_size_that_it_learnt_at(
    tiny_run: Make, tmp_path: Path
) -> None:
    words = (begun(tiny_run, tmp_path), '--steps=1', '--loss.kept_depth=1', *NO_DEPTH)
    config, widths = tiny_run(*words), set()

    def look(module: Module, given: tuple[torch.Tensor, ...]) -> None:
        if isinstance(module, SdsNetwork):
            widths.add(given[0].shape[-1])

    with register_module_forward_pre_hook(look):
        train(config)
    assert widths == {64, 96}  # the crop, and 128 / 96 of it as the network can take it


def test_a_start_without_metres_has_none_to_keep(tiny_run: Make, tmp_path: Path) -> None:
    words = begun(tiny_run, tmp_path, '--loss.speed=0')
    config = tiny_run(words, '--steps=1', '--loss.kept_depth=1', *NO_DEPTH)
    assert read_release(train(config) or '').depth_kind == 'relative'


def test_metres_that_a_factor_makes_of_the_disparity_are_not_kept(
    tiny_run: Make, tmp_path: Path
) -> None:
    words = begun(tiny_run, tmp_path)
    file = tmp_path / 'wide.safetensors'
    write_release(file, replace(read_release(file), depth_scale=1.7))
    config = tiny_run(words, '--steps=1', '--loss.kept_depth=1', *NO_DEPTH)
    assert read_release(train(config) or '').depth_kind == 'relative'


def test_neighbours_without_metres_leave_none(tiny_run: Make, tmp_path: Path) -> None:
    config = tiny_run(
        begun(tiny_run, tmp_path), '--steps=1', '--loss.kept_depth=1', '--loss.speed=0'
    )
    release = read_release(train(config) or '')
    assert release.depth_kind == 'relative'
    assert release.camera == WIDE.resized(96, 64)  # the kept frames would contradict another


def test_a_run_that_keeps_depth_goes_on_without_the_file_it_started_from(
    tiny_run: Make, tmp_path: Path
) -> None:
    words = (begun(tiny_run, tmp_path), '--steps=2', '--loss.kept_depth=1', *NO_DEPTH)
    first = read_release(train(tiny_run(*words)) or '')
    (tmp_path / 'wide.safetensors').unlink()
    again = read_release(train(tiny_run(*words)) or '')
    assert (again.camera, again.depth_kind) == (first.camera, first.depth_kind)


def test_a_run_and_its_release_are_as_bright_as_the_start(tiny_run: Make, tmp_path: Path) -> None:
    words = begun(tiny_run, tmp_path)
    file = tmp_path / 'wide.safetensors'
    start, shown = read_release(file), {}

    def look(module: Module, given: tuple[torch.Tensor, ...]) -> None:
        if isinstance(module, SdsNetwork):
            shown.setdefault(start.brightness, float(given[0].mean()))

    for brightness in (0.9, 0.5):
        file.unlink()
        start = replace(start, brightness=brightness)
        write_release(file, start)
        config = tiny_run(words, '--steps=1', run_dir=tmp_path / str(brightness))
        with register_module_forward_pre_hook(look):
            assert read_release(train(config) or '').brightness == brightness
    assert shown[0.9] > shown[0.5] + 0.1


def test_metres_are_kept_from_a_state_too(tiny_run: Make, tmp_path: Path) -> None:
    before = tiny_run('--steps=1', run_dir=tmp_path / 'first')
    train(before)
    state = tmp_path / 'first/states/step_00000001.pt'
    config = tiny_run(f'--init_from={state}', '--steps=1', '--loss.kept_depth=1', *NO_DEPTH)
    assert read_release(train(config) or '').depth_kind == 'metric'
