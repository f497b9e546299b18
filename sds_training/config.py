"""A training run, described completely: typed, frozen, strict; every field has a sentence."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sds_perception.network import NETWORKS, NetworkConfig
from sds_training.augment.color_aug import ColorAugConfig
from sds_training.augment.mix_config import MixConfig
from sds_training.augment.photometric import StrongConfig
from sds_training.data.config import DataConfig
from sds_training.networks.pose import PoseConfig
from sds_training.schedule import RateSchedule


class ConfigError(ValueError):
    """A training description that cannot be meant; the message names field, value and rule."""


@dataclass(frozen=True)
class NetworkChoice:
    """Which network is trained: a named one, with changes."""

    name: str = 'vehicle'
    """'vehicle', 'paper' or 'tiny'."""

    changes: dict[str, Any] = field(default_factory=dict)
    """Fields of NetworkConfig that differ from the named one, such as exchange: pad."""

    pretrained: bool = False
    """Start the encoder from timm's public ImageNet weights."""

    def config(self) -> NetworkConfig:
        """The network's own description."""
        if self.name not in NETWORKS:
            raise ConfigError(f'network.name is {self.name!r}, wanted one of {sorted(NETWORKS)}')
        try:
            return replace(NETWORKS[self.name], **self.changes)
        except TypeError as problem:
            raise ConfigError(f'network.changes: {problem}') from problem


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

    schedule: RateSchedule = field(default_factory=RateSchedule)
    """How all rates move from the first step to the last."""

    max_gradient_norm: float = 10.0
    """Gradients of all networks together are scaled down to this norm."""


@dataclass(frozen=True)
class TeacherConfig:
    """How the mean teacher follows, and when it is believed."""

    decay: float = 0.99
    """Share of its old weights the teacher keeps each step; lower in the first steps."""

    trust: Literal['batch', 'pixel'] = 'batch'
    """Weight of a pseudo label: the batch's share of pixels over the threshold for all of them
    (method.md 1.6), or 1 over and 0 under it, pixel by pixel."""

    threshold: float = 0.968
    """Class probability over which a pixel is trusted."""

    start_step: int = 0
    """First step with pseudo labels."""


@dataclass(frozen=True)
class LossConfig:
    """Weights of the objective's terms; a term of weight 0 is not computed."""

    supervised: float = 1.0
    """Cross entropy on people's labels, final and side head averaged."""

    jaccard: float = 0.0
    """Soft intersection over union of the final head on people's labels: each class that they show
    counts the same."""

    consistency: float = 1.0
    """Cross entropy on mixed pictures against the teacher's labels."""

    depth: float = 1.0
    """Photometric error and smoothness of the neighbouring frames."""

    compare: Literal['full', 'own', 'finest'] = 'full'
    """Size at which each scale of disparity is compared: the pictures' (method.md 1.4), its own,
    which finds its way from a random start and costs a tenth, or the pictures' for the finest."""

    smoothness: float = 1e-3
    """Edge-aware smoothness inside the depth term, halved per scale."""

    speed: float = 0.0
    """Distance between the motion by pose and by vehicle speed; makes depth metric."""

    road: float = 0.0
    """Distance of the road's depth from the plane below the camera, where the camera file says how
    high and how it is mounted; makes depth metric."""

    standing: float = 0.0
    """Distance of a thing's depth from the ground's at its foot, where semantics knows both; each
    class counts as the root of its pixels."""

    orthogonality: float = 0.0
    """Soft orthogonality of CCAM's linear layers (method.md 2.3), off after 75 % of the steps."""

    feature_distance: float = 1e-2
    """Depth stage only: distance of the last features to those of a frozen ImageNet encoder."""


@dataclass(frozen=True)
class FabricConfig:
    """Where and how wide the run is; handed to Lightning Fabric."""

    accelerator: str = 'auto'
    """'cpu', 'cuda' or 'auto'."""

    devices: int = 1
    """Processes on each machine."""

    num_nodes: int = 1
    """Machines."""

    precision: Literal['32-true', '16-mixed', 'bf16-mixed'] = '32-true'
    """Arithmetic of forward and backward."""

    accumulate: int = 1
    """Batches whose gradients are summed into one step."""

    threads: int = 0
    """CPU threads of torch per process; 0 leaves torch's choice."""


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

    save_every: int = 500
    """Steps between saved states."""

    def __post_init__(self) -> None:
        for name in ('print_every', 'picture_every', 'save_every'):
            if getattr(self, name) < 1:
                raise ConfigError(f'journal.{name} is {getattr(self, name)}, wanted 1 or more')


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
    """State file of an earlier run, or a release, whose networks this one starts from."""

    release_weights: Literal['float32', 'float16'] = 'float32'
    """Type of the kernels in the release; float16 halves the file. Scores are of what is
    written."""

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
        driven = self.loss.speed > 0 or self.pose.odometry
        told = {'vehicle speed': driven, 'camera height': self.loss.road > 0}
        return tuple(name for name, used in told.items() if used)

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ConfigError(f'steps is {self.steps}, wanted 1 or more')
        multiple = self.network.config().size_multiple
        if any(side % multiple for side in self.data.crop):
            raise ConfigError(f'data.crop is {self.data.crop}, wanted multiples of {multiple}')
        if not 0.0 <= self.teacher.decay < 1.0:
            raise ConfigError(f'teacher.decay is {self.teacher.decay}, wanted [0, 1)')
