"""The network, as both sides share it: `build_network(config)` is the only way to make one."""

from sds_perception.network.config import NETWORKS, NetworkConfig
from sds_perception.network.disparity import depth_from_disparity, disparity_from_depth
from sds_perception.network.model import Prediction, SdsNetwork, batch_norms, build_network

__all__ = [
    'NETWORKS',
    'NetworkConfig',
    'Prediction',
    'SdsNetwork',
    'batch_norms',
    'build_network',
    'depth_from_disparity',
    'disparity_from_depth',
]
