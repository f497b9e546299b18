"""The pipeline a wrapper usually is, to compare with: correct, short, and slow.

Full-size float64, a resize of floats, class scores upsampled to the camera's size, argmax over 19
planes of floats, a palette by indexing.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from sds_perception.labels import CLASSES
from sds_perception.network import Prediction, depth_from_disparity
from sds_perception.pointcloud import CLOUD_LAYOUT
from sds_perception.scene import Scene

PALETTE = np.array([each.color for each in CLASSES], np.uint8)


def prepared(bgr: NDArray[np.uint8], size: tuple[int, int]) -> Tensor:
    """(H, W, 3) uint8 BGR to (1, 3, h, w) float32 in [0, 1]."""
    picture = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.float64) / 255.0
    picture = cv2.resize(picture, (size[1], size[0]))
    return torch.from_numpy(picture.transpose(2, 0, 1)[None]).float()


def labels_of(logits: Tensor, size: tuple[int, int]) -> NDArray[np.uint8]:
    """(1, K, h, w) scores to (H, W) labels through K planes of full size."""
    full = F.interpolate(logits, size, mode='bilinear', align_corners=False)
    return full.argmax(dim=1)[0].cpu().numpy().astype(np.uint8)


def points_of(depth: NDArray[np.float32], matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """(H, W) depth to (H, W, 3) points, rays made anew for every frame."""
    u, v = np.meshgrid(np.arange(depth.shape[1]), np.arange(depth.shape[0]))
    x = (u - matrix[0, 2]) / matrix[0, 0] * depth
    y = (v - matrix[1, 2]) / matrix[1, 1] * depth
    return np.stack([x, y, depth], axis=-1).astype(np.float32)


def cloud_of(scene: Scene) -> bytes:
    """The bytes of a cloud with the fields of ours, through a structured array."""
    cloud = np.zeros(scene.size, CLOUD_LAYOUT.dtype)
    points = points_of(scene.depth, scene.camera.matrix)
    cloud['x'], cloud['y'], cloud['z'] = points[..., 0], points[..., 1], points[..., 2]
    red, green, blue = np.moveaxis(PALETTE[scene.labels].astype(np.uint32), -1, 0)
    cloud['rgb'] = (red << 16 | green << 8 | blue).view(np.float32)
    cloud['label'], cloud['confidence'] = scene.labels, scene.confidence
    return cloud.tobytes()


class NaivePipeline:
    """BGR frames to labels, colours and depth at the frame's size, by the plain network."""

    def __init__(self, network: nn.Module, input_size: tuple[int, int]) -> None:
        self._network, self._size = network.eval(), input_size

    @torch.no_grad()
    def __call__(
        self, bgr: NDArray[np.uint8]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]]:
        """Labels (H, W), colours (H, W, 3), depth (H, W)."""
        height, width = bgr.shape[:2]
        prediction: Prediction = self._network(prepared(bgr, self._size))
        labels = labels_of(prediction.logits, (height, width))
        disparity = F.interpolate(prediction.disparity[0], (height, width), mode='bilinear')
        depth = depth_from_disparity(disparity[0, 0].numpy(), self._network.config.depth_range)
        return labels, PALETTE[labels], depth
