"""Pinhole cameras, rigid motion and view synthesis, as functions of tensors only."""

from sds_training.geometry.motion import invert_rigid, rigid_transform, transform_points
from sds_training.geometry.projection import backproject, project, resized_intrinsics
from sds_training.geometry.warp import warp

__all__ = [
    'backproject',
    'invert_rigid',
    'project',
    'resized_intrinsics',
    'rigid_transform',
    'transform_points',
    'warp',
]
