"""Pinhole cameras, rigid motion, view synthesis and alignment, as functions of tensors only."""

from sds_training.geometry.alignment import PITCH, ROLL, YAW, turned_to_fit
from sds_training.geometry.motion import invert_rigid, rigid_transform
from sds_training.geometry.projection import backproject, resized_intrinsics
from sds_training.geometry.warp import warp

__all__ = [
    'PITCH',
    'ROLL',
    'YAW',
    'backproject',
    'invert_rigid',
    'resized_intrinsics',
    'rigid_transform',
    'turned_to_fit',
    'warp',
]
