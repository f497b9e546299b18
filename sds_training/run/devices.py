"""Where a run computes: Fabric on the devices the config asks for, or one sentence why not."""

from __future__ import annotations

import atexit
import gc
import os

import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities.exceptions import MisconfigurationException

from sds_perception.engines.precision import cpu_computes_bf16, mention_slow_bf16
from sds_perception.process_memory import keep_large_buffers
from sds_training.config import FabricConfig, TrainingConfig
from sds_training.config_error import ConfigError


def launched(config: TrainingConfig) -> Fabric:
    """Fabric on the devices asked for; under torchrun or SLURM it finds its place by itself."""
    wanted = config.fabric
    require_devices(wanted)
    require_processes(wanted)
    fabric = _launched(wanted)
    if fabric.device.type == 'cuda':
        torch.backends.cudnn.benchmark = True  # sizes never change: the search pays once
    if fabric.device.type == 'cpu':
        keep_large_buffers()
        if wanted.precision != '32-true':
            require_cpu_precision(wanted.precision)
    if wanted.threads:
        torch.set_num_threads(wanted.threads)
    return fabric


def _launched(wanted: FabricConfig) -> Fabric:
    wide = wanted.devices * wanted.num_nodes > 1
    accelerator = wanted.accelerator
    if accelerator == 'auto':  # Fabric would take others too, on which no release is scored
        accelerator = 'cuda' if torch.cuda.device_count() else 'cpu'
    try:
        fabric = Fabric(
            accelerator=accelerator,
            # Stages leave some heads without gradients: the side head in depth pre-training.
            strategy='ddp_find_unused_parameters_true' if wide else 'auto',
            devices=wanted.devices,
            num_nodes=wanted.num_nodes,
            precision=wanted.precision,
        )
        fabric.launch()
        if wide:
            atexit.register(_leave_the_others)
    except (MisconfigurationException, ValueError) as problem:  # such as SLURM's other numbers
        raise ConfigError(
            f'fabric.devices {wanted.devices} and fabric.num_nodes {wanted.num_nodes} cannot be '
            f'launched: {" ".join(str(problem).split())}'
        ) from problem
    return fabric


def _leave_the_others() -> None:
    """Close the connections to other processes while there is an interpreter.

    Fabric leaves gloo's open. A thread of gloo that asks for the interpreter's lock as it ends
    takes the process down with SIGABRT, now and then and on a busy machine.
    """
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        gc.collect()  # modules of DDP hold each other, and the group with its threads
        torch.distributed.destroy_process_group()


def require_devices(wanted: FabricConfig) -> None:
    """Refuse more CUDA devices than there are; 'auto' takes a CPU only where there is none."""
    found = torch.cuda.device_count()
    asked = wanted.accelerator == 'cuda' or (wanted.accelerator == 'auto' and found > 0)
    if asked and found < wanted.devices:
        raise ConfigError(
            f'fabric.accelerator is {wanted.accelerator!r} and fabric.devices {wanted.devices}, '
            f'but torch sees {found} CUDA devices; add --fabric.accelerator=cpu '
            '--fabric.precision=32-true, or ask for fewer'
        )


def require_processes(wanted: FabricConfig) -> None:
    """Refuse torchrun's processes where each would take itself for the only one of the run."""
    started = os.environ.get('WORLD_SIZE')
    if started is not None and int(started) != wanted.devices * wanted.num_nodes:
        raise ConfigError(
            f'torchrun started {started} processes (WORLD_SIZE), but fabric.devices times '
            f'fabric.num_nodes is {wanted.devices} times {wanted.num_nodes}; make them equal'
        )


def require_cpu_precision(precision: str) -> None:
    """Refuse what a CPU would only emulate, tens of times slower."""
    if precision != 'bf16-mixed' or not cpu_computes_bf16():
        raise ConfigError(
            f'fabric.precision is {precision!r}, which this CPU only emulates; '
            'add --fabric.precision=32-true'
        )
    mention_slow_bf16()
