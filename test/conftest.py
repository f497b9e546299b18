"""What every test shares: the tiny network, its core, and no skipping where ROS is required."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from typing import Any

os.environ.setdefault('OMP_NUM_THREADS', '1')  # of two workers on two cores; torch reads it once

import pytest
import torch
from torch import nn

from sds_perception.camera import Camera
from sds_perception.network import NETWORKS, SdsNetwork, build_network
from sds_perception.release import Release

SIZE = (64, 128)  # (H, W) the tiny release is for
# ROS packages that are on no index of wheels: their tests may skip, those of rclpy may not.
NO_WHEEL = ('launch', 'cv_bridge', 'sensor_msgs_py', 'vision_msgs')
TOGETHER = ('test/ros/', 'test/perception/engines/')
ROS_REQUIRED = os.environ.get('SDS_REQUIRE_ROS') == '1'


def pytest_configure() -> None:
    """In CI the absence of ROS is a failure, not a reason to skip."""
    if ROS_REQUIRED and find_spec('rclpy') is None:
        pytest.exit('SDS_REQUIRE_ROS=1 but rclpy is not installed', returncode=1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Workers take whole files, and whole the folders whose tests share a graph or exports."""
    from xdist.scheduler import LoadScopeScheduling

    class BySharing(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split('::')[0]
            return next((each for each in TOGETHER if file.startswith(each)), file)

    return BySharing(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[Any]:
    report = yield
    if ROS_REQUIRED and report.skipped and 'ros' in item.path.parts:
        reason = str(report.longrepr)
        if not any(package in reason for package in NO_WHEEL):
            told = f'skipped though ROS is required: {item.name} ({reason})'
            report.outcome, report.longrepr = 'failed', told
    return report


@pytest.fixture(autouse=True)
def _signals_as_they_were() -> Iterator[None]:
    """A test that leaves SIGTERM ignored makes the commands of later tests immortal."""
    before = _signals()
    yield
    assert _signals() == before, 'this test changes signals for those after it'


def _signals() -> list[Any]:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    return [*handlers, signal.pthread_sigmask(signal.SIG_BLOCK, ())]


@pytest.fixture
def files_of_at_most() -> Callable[[int], AbstractContextManager[None]]:
    """As a disk with no more room than so many bytes: what is beyond cannot be written."""

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


def used(network: SdsNetwork, seed: int = 0) -> SdsNetwork:
    """The network as training leaves it: BatchNorms with a past, gates and biases off zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                for tensor, low, high in (
                    (module.running_mean, -0.2, 0.2),
                    (module.running_var, 0.5, 1.5),
                    (module.weight, 0.7, 1.3),
                    (module.bias, -0.2, 0.2),
                ):
                    tensor.uniform_(low, high, generator=generator)
    return network.eval()


@pytest.fixture(scope='session')
def tiny_network() -> SdsNetwork:
    """`tiny` as training could leave it, in eval mode; tests must not change it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return used(build_network(NETWORKS['tiny']))


@pytest.fixture(scope='session')
def camera() -> Camera:
    """The camera the metric release was trained with, off centre on purpose."""
    return Camera(100.0, 105.0, 61.0, 33.5, SIZE[1], SIZE[0])


@pytest.fixture(scope='session')
def metric_release(tiny_network: SdsNetwork, camera: Camera) -> Release:
    """A release whose depth is in metres when the frame comes with a camera."""
    return Release(
        NETWORKS['tiny'],
        tiny_network.state_dict(),
        SIZE,
        'metric',
        depth_scale=1.7,
        camera=camera,
        provenance={'commit': 'f00', 'trained': True, 'scores': {'miou': 0.5}},
    )
