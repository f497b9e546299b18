"""A training run, described completely: typed, frozen, strict; every field has a sentence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from sds_training.augment.color_aug import ColorAugConfig
from sds_training.augment.mix_config import MixConfig
from sds_training.augment.photometric import StrongConfig
from sds_training.augment.poor_camera import PoorCameraConfig
from sds_training.config_error import ConfigError, require, require_at_least
from sds_training.data.config import DataConfig
from sds_training.loss_config import LossConfig
from sds_training.network_choice import NetworkChoice
from sds_training.networks.pose import PoseConfig
from sds_training.schedule import RateSchedule
from sds_training.teacher import TeacherConfig
from sds_training.unused_weights import require_no_unused_weights


def layered_values(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Plain values of a config, group by group those `above` on top of those `below`.

    Null in the place of a group takes back what is below: another encoder has other options.
    """
    merged = dict(below)
    for name, value in above.items():
        inner = merged.get(name)
        if isinstance(inner, dict) and value is None:
            del merged[name]
            continue
        both = isinstance(inner, dict) and isinstance(value, dict)
        merged[name] = layered_values(inner, value) if both else value
    return merged


@dataclass(frozen=True)
class OptimiserConfig:
    """How weights move."""

    kind: Literal['sgd', 'adamw'] = 'sgd'
    """SGD with momentum 0.9, or AdamW."""

    rate: float = 1e-2
    """Learning rate of decoders, exchange and heads."""

    encoder_rate: float = 1e-3
    """Learning rate of the shared encoder; 0 freezes it."""

    pose_rate: float = 1e-6
    """Learning rate of the pose network."""

    weight_decay: float = 5e-4
    """L2 pull towards zero (decoupled in AdamW)."""

    statistics: Literal['batch', 'kept'] = 'batch'
    """What the student's BatchNorms normalise by: their batch, or 'kept', what `init_from` knows.
    A batch of few pictures describes streets poorly (training.md, "What is learnt from what")."""

    schedule: RateSchedule = field(default_factory=RateSchedule)
    """How all rates move from the first step to the last."""

    max_gradient_norm: float = 10.0
    """Gradients of all networks together are scaled down to this norm."""

    def __post_init__(self) -> None:
        rates = ('rate', 'encoder_rate', 'pose_rate')
        require_at_least(0, self, 'optimiser.', *rates, 'weight_decay')
        if not any(getattr(self, name) for name in rates):
            raise ConfigError(f'optimiser.{", ".join(rates)} are all 0, wanted one above')
        norm = self.max_gradient_norm
        require(norm > 0, 'optimiser.max_gradient_norm', norm, 'more than 0')


@dataclass(frozen=True)
class FabricConfig:
    """Where and how wide the run is; handed to Lightning Fabric."""

    accelerator: Literal['cpu', 'cuda', 'auto'] = 'auto'
    """'cpu', 'cuda', or 'auto': CUDA where there is some."""

    devices: int = 1
    """Processes on each machine; torchrun must start as many."""

    num_nodes: int = 1
    """Machines."""

    precision: Literal['32-true', '16-mixed', 'bf16-mixed'] = '32-true'
    """Arithmetic of forward and backward."""

    accumulate: int = 1
    """Batches whose gradients are summed into one step."""

    threads: int = 0
    """CPU threads of torch per process; 0 leaves torch's choice."""

    def __post_init__(self) -> None:
        require_at_least(1, self, 'fabric.', 'devices', 'num_nodes', 'accumulate')
        require_at_least(0, self, 'fabric.', 'threads')


@dataclass(frozen=True)
class JournalConfig:
    """What a run tells while it goes."""

    print_every: int = 50
    """Steps between lines, JSON records and TensorBoard scalars."""

    picture_every: int = 1000
    """Steps between pictures of inputs, mixes, labels and depth."""

    evaluate_every: int = 0
    """Steps between evaluations on the validation split; 0 evaluates at the end only."""

    evaluate_frames: int = 0
    """At most this many validation frames, evenly spread; 0 takes all."""

    evaluate_fold: Literal['none', 'camvid'] = 'none'
    """Classes that count as others in these scores, as `sds-evaluate --fold`: one stray pixel of a
    class that the data cannot show costs its whole share of the mean otherwise."""

    save_every: int = 500
    """Steps between saved states."""

    def __post_init__(self) -> None:
        require_at_least(1, self, 'journal.', 'print_every', 'picture_every', 'save_every')
        require_at_least(0, self, 'journal.', 'evaluate_every', 'evaluate_frames')


@dataclass(frozen=True)
class TrainingConfig:
    """One run, from data to release."""

    run_dir: str
    """Folder of the run's state, journal and release; made if missing."""

    stage: Literal['depth', 'joint'] = 'joint'
    """'depth' pre-trains depth on video alone; 'joint' is the method."""

    steps: int = 40_000
    """Optimiser steps in all."""

    seed: int = 0
    """Seed of weights, batches and augmentations: what step t does depends on it and t alone."""

    init_from: str | None = None
    """State file of an earlier run, or a release ('demo': the shipped one), whose networks this
    one starts from."""

    release_weights: Literal['float32', 'float16'] = 'float32'
    """Type of the kernels in the release; float16 halves the file. Scores are of what is
    written."""

    release_debias: float = 0.0
    """How much of the logarithm of the teacher's mean class probabilities is taken from the scores
    of the release (0 to 1): one of few labels says the frequent classes too often."""

    streets: int = 0
    """Snippets of procedural streets to render into data.root first if it is empty."""

    data: DataConfig = field(default_factory=DataConfig)
    network: NetworkChoice = field(default_factory=NetworkChoice)
    pose: PoseConfig = field(default_factory=PoseConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    mix: MixConfig = field(default_factory=MixConfig)
    strong: StrongConfig = field(default_factory=StrongConfig)
    color_aug: ColorAugConfig = field(default_factory=ColorAugConfig)
    poor_camera: PoorCameraConfig = field(default_factory=PoorCameraConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    fabric: FabricConfig = field(default_factory=FabricConfig)
    journal: JournalConfig = field(default_factory=JournalConfig)

    @property
    def metric(self) -> bool:
        """Whether depth comes in metres."""
        return bool(self.scale_sources)

    @property
    def scale_sources(self) -> tuple[str, ...]:
        """What training knows in metres: how far the vehicle drove, how high the camera sits."""
        driven = self.loss.depth > 0 and (self.loss.speed > 0 or self.pose.odometry)
        told = {'vehicle speed': driven, 'camera height': self.loss.road > 0}
        return tuple(name for name, used in told.items() if used)

    def __post_init__(self) -> None:
        require_at_least(1, self, '', 'steps')
        require_at_least(0, self, '', 'seed', 'streets')
        require(self.seed < 2**63, 'seed', self.seed, 'less than 2 to the 63rd')
        multiple = self.network.config().size_multiple
        for name in ('size', 'crop'):
            sides = getattr(self.data, name)
            whole = not any(side % multiple for side in sides)
            require(whole, f'data.{name}', sides, f'multiples of {multiple}')
        require(0 <= self.release_debias <= 1, 'release_debias', self.release_debias, '[0, 1]')
        poor = self.poor_camera.probability
        require(self.stage == 'joint' or not poor, 'poor_camera.probability', poor,
                "0 where stage is 'depth'")  # fmt: skip
        taught = self.stage == 'joint' or self.loss.depth > 0
        require(taught, 'loss.depth', self.loss.depth, "more than 0 where stage is 'depth'")
        asked = self.stage == 'joint' and self.mix.givers == 'labelled'
        drawn = not asked or self.data.labelled_batch > 0
        require(drawn, 'mix.givers', self.mix.givers, "'pool' where data.labelled_batch is 0")
        require_no_unused_weights(self)
